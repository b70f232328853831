"""What drives a policy: the truth is found where it is known, for policies of ours and from elsewhere alike."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Spec
from pilothouse.explain.attribution import QUICK, attribute, outputs_of, response_at, rows_asked, within_rows
from pilothouse.networks.distributions import Categorical
from pilothouse.networks.mlp import MLP
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless, Mode, Random
from pilothouse.rollout.actors import responses_of

SPEC = Spec(Box((4,)), Box((1,), -1.0, 1.0))
OBS = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
WEIGHT = np.array([[0.1], [2.0], [0.0], [-0.5]])


class Network(Memoryless):
    """Squashed; the first layer reads feature 1 most, feature 2 not at all."""

    net: MLP

    def __init__(self, key):
        net = MLP(4, 1, 8, 1, jnp.tanh, key=key)
        self.net = eqx.tree_at(lambda n: n.layers[0].weight, net, jnp.asarray(WEIGHT, jnp.float32) * jnp.ones((1, 8)))

    def __call__(self, obs, carry, key):
        return jnp.tanh(self.net(obs)), carry, {}


class Foreign(HostPolicy):
    """The choice by the sign of feature 1, mostly, with probabilities; asks nothing of JAX."""

    name = "foreign"

    def __init__(self, spec, told: bool = True, weight=WEIGHT):
        self.spec, self.told, self.weight = spec, told, weight

    def act_many(self, obs, carry, seed):
        likely = 1 / (1 + np.exp(-3 * (obs @ self.weight)[:, 0]))
        extra = {"probabilities": np.stack([1 - likely, likely], axis=1)} if self.told else {}
        return (likely > 0.5).astype(np.int64), carry, extra


class Chooser(eqx.Module):
    net: MLP

    def __call__(self, obs):
        return Categorical(self.net(obs))


@pytest.fixture(scope="module")
def ours():
    return attribute(Network(jax.random.key(1)), SPEC, OBS, quick=True)


def test_what_drives_a_policy_of_ours_is_found_by_every_method(ours) -> None:
    assert {one.method for one in ours.explanations} == {"shapley", "occlusion", "gradient", "integrated gradients"}
    for one in ours.explanations:
        assert one.importance.argmax() == 1 and one.importance.argmin() == 2, one.method
        assert one.importance[2] < 1e-5 and one.importance.sum() == pytest.approx(1)
        assert one.values.shape == (36, 1, 4) and one.curves.gain > 0.1 and one.sanity.passed
    assert ours.method == ours.explanations[0].method and ours.method in ours.chosen and "weights" in ours.randomised
    assert min(one.infidelity for one in ours.explanations) < 0.2 and ours.sanity_passed
    assert ours.fidelity["deletion"] > ours.fidelity["deletion_at_random"]
    assert all(rho > 0.5 for rho in ours.agreement.values()) and len(ours.agreement) == 6


def test_shares_of_shapley_and_integrated_gradients_add_up(ours) -> None:
    policy = Network(jax.random.key(1))
    respond = lambda x: np.asarray(jax.vmap(lambda o: policy(o, (), None)[0])(x))  # noqa: E731
    by_name = {one.method: one.values for one in ours.explanations}
    said = respond(ours.observations)
    # The background is drawn by the seed from all observations: what is left over is one number for all of them.
    left = said - by_name["shapley"].sum(axis=2)
    assert left.std() < 1e-5 and left.mean() == pytest.approx(respond(OBS).mean(), abs=0.3)
    left = said - by_name["integrated gradients"].sum(axis=2)
    assert left.std() < 0.02  # 16 points of the path


def test_it_is_one_document(ours) -> None:
    document = json.loads(json.dumps(ours.as_json()))
    assert {"method", "fidelity", "sanity_passed", "explanations", "chosen", "feature_importance"} <= set(document)
    assert np.shape(document["values"]) == (36, 1, 4) and document["outputs"] == ["action 0"]
    assert {"method", "fidelity", "sanity_passed"} <= set(document["explanations"][1])


@pytest.mark.parametrize("told", [True, False])
def test_a_policy_from_elsewhere_is_explained_by_asking(told) -> None:
    spec = Spec(Box((4,)), Discrete(2))
    found = attribute(Foreign(spec, told), spec, OBS, quick=True)
    assert {one.method for one in found.explanations} == {"shapley", "occlusion"} and "shuffled" in found.randomised
    assert found.feature_importance.argmax() == 1 and found.feature_importance[2] < 1e-9 and found.sanity_passed
    assert found.values.shape == (36, 2, 4)
    # What one choice gains the other loses.
    np.testing.assert_allclose(found.values.sum(axis=1), 0, atol=1e-9)
    again = attribute(Foreign(spec, told), spec, OBS, quick=True)
    np.testing.assert_array_equal(again.values, found.values)


def test_probabilities_of_a_chooser_of_ours_have_gradients() -> None:
    spec = Spec(Box((4,)), Discrete(3))
    net = MLP(4, 3, 8, 1, jnp.tanh, key=jax.random.key(0))
    net = eqx.tree_at(lambda n: n.layers[0].weight, net, net.layers[0].weight.at[2].set(0.0))
    found = attribute(Mode(Chooser(net)), spec, OBS, quick=True)
    assert len(found.explanations) == 4 and all(one.importance[2] < 1e-6 for one in found.explanations)


def test_a_policy_at_random_passes_no_sanity_check() -> None:
    spec = Spec(Box((4,)), Discrete(2))
    for policy in (Random(spec.action), Foreign(spec, weight=0 * WEIGHT)):
        found = attribute(policy, spec, OBS, quick=True)
        assert not found.sanity_passed and "none is to be trusted" in found.chosen
        assert found.as_json()["fidelity"]["infidelity"] is None


def test_faults_are_named() -> None:
    policy = Foreign(SPEC)
    with pytest.raises(DataError, match="at least 4 rows of 4 finite features"):
        attribute(policy, SPEC, OBS[:3])
    with pytest.raises(DataError, match="some are not finite"):
        attribute(policy, SPEC, OBS * np.nan)
    with pytest.raises(SpaceError, match="boxes of numbers"):
        attribute(policy, Spec(Discrete(3), Discrete(2)), np.zeros((9, 3)))
    with pytest.raises(SpaceError, match="at most 256"):
        attribute(policy, Spec(Box((300,)), Discrete(2)), np.zeros((9, 300)))
    assert outputs_of(Spec(Box((4,)), MultiDiscrete((2, 2))))[2] == "probability of choice 0 of action 1"


def test_what_is_explained_is_what_the_place_sees(ours) -> None:
    # An action beyond its bounds is clipped on its way; there nothing drives it.
    spec = Spec(Box((4,)), Box((1,), -1e-4, 1e-4))
    respond = jax.vmap(lambda seen: response_at(spec, Network(jax.random.key(1)), seen))
    said = np.asarray(respond(jnp.asarray(ours.observations)))
    np.testing.assert_allclose(said, responses_of(Network(jax.random.key(1)), spec)(ours.observations), atol=1e-7)
    assert np.abs(said).max() <= 1e-4


@pytest.mark.parametrize("features", [4, 17])
def test_a_slow_policy_is_asked_for_about_so_many_answers(features) -> None:
    class Counting(Foreign):
        asked = 0

        def act_many(self, obs, carry, seed):
            self.asked += len(obs)
            return super().act_many(obs, carry, seed)

    spec, weight = Spec(Box((features,)), Discrete(2)), np.eye(features)[:, :1]
    obs = np.random.default_rng(0).normal(size=(100, features))
    for rows in (None, 20_000):
        policy = Counting(spec, weight=weight)
        found = attribute(policy, spec, obs, quick=True, rows=rows)
        expected = rows_asked(QUICK if rows is None else within_rows(QUICK, features, rows), features)
        assert 0.5 * expected < policy.asked < 1.3 * expected and found.feature_importance.argmax() == 0
    assert policy.asked < 1.3 * 20_000
