"""Acting with ours and with those from elsewhere has one face, and one answer where the policies are one."""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.networks.distributions import Categorical
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless, Mode
from pilothouse.policies.scaling import Scaled
from pilothouse.rollout.actors import Conduct, actor_of, flat_response, observations_from, responses_of

SPEC = Spec(Box((2,)), Box((1,), -2.0, 2.0))
WEIGHTS = np.array([[0.5], [-1.0]], np.float32)


class Linear(Memoryless):
    weights: Any
    spec: Spec = eqx.field(static=True, default=SPEC)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return obs @ self.weights, carry, {}


class HostLinear(HostPolicy):
    spec, name = SPEC, "linear.onnx"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return obs @ WEIGHTS, carry, {}


class Noisy(HostPolicy):
    spec, name = SPEC, "noisy"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return np.random.default_rng(seed).uniform(-1, 1, (len(obs), 1)), carry, {}


OBS = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)


def test_ours_and_theirs_act_alike_and_are_clipped_alike() -> None:
    ours, theirs = (actor_of(policy, copies=5, seed=3) for policy in (Linear(jnp.asarray(WEIGHTS)), HostLinear()))
    obs = np.concatenate([OBS[:4], [[8.0, 0.0]]]).astype(np.float32)
    first, carry = ours(obs, None, 0)
    np.testing.assert_allclose(first, theirs(obs, None, 0)[0], rtol=1e-6)
    assert first[4] == 2.0
    ours(obs, carry, 1)
    assert (ours.conduct.clipped, ours.conduct.actions, theirs.conduct.clipped) == (2, 10, 1)
    assert ours.conduct.notes("mine") == ["2 of 10 actions of mine (20.0%) lay beyond the bounds and were clipped."]


def test_draws_follow_from_the_seed_and_differ_between_steps() -> None:
    def drawn(seed: int) -> list[float]:
        actor = actor_of(Noisy(), copies=1, seed=seed)
        return [actor(OBS[:1], (), step)[0].item() for step in range(3)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 3


def test_nan_of_ours_is_refused_too_and_names_the_step() -> None:
    actor = actor_of(Linear(jnp.full((2, 1), jnp.nan)), copies=5, seed=0)
    with pytest.raises(PolicyError, match="NaN or infinity at step 7"):
        actor(OBS, None, 7)


def test_a_slow_policy_is_said_to_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sleeps(HostLinear):
        name = "sleepy"

        def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
            time.sleep(0.02)
            return super().act_many(obs, carry, seed)

    monkeypatch.setattr("pilothouse.rollout.actors.SLOW", 0.01)
    actor = actor_of(Sleeps(), copies=5, seed=0)
    for step in range(3):
        actor(OBS, (), step)
    assert actor.conduct.notes("sleepy")[0].startswith("sleepy takes 0.0 s to decide")


def test_responses_are_actions_for_boxes_whatever_the_number_of_rows() -> None:
    ours, theirs = responses_of(Linear(jnp.asarray(WEIGHTS)), SPEC), responses_of(HostLinear(), SPEC)
    for rows in (0, 1, 5, 17):
        obs = np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)
        assert ours(obs).shape == (rows, 1) and ours(obs).dtype == np.float64
        np.testing.assert_allclose(ours(obs), np.clip(obs @ WEIGHTS, -2, 2), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(theirs(obs), ours(obs), rtol=1e-6, atol=1e-7)
    with pytest.raises(SpaceError, match=r"shape \(5, 3\); expected \(rows, 2\)"):
        ours(np.zeros((5, 3)))
    with pytest.raises(SpaceError, match="Dict"):
        responses_of(HostLinear(), Spec(DictSpace.of({"a": Box((2,))}), SPEC.action))


CHOICE = Spec(Box((2,)), Discrete(3))


def logits(obs: Any) -> Categorical:
    return Categorical(jnp.stack([obs[0], obs[1], jnp.zeros(())]))


def test_responses_are_probabilities_where_they_are_known_else_one_hots() -> None:
    expected = np.asarray(jax.nn.softmax(np.concatenate([OBS, np.zeros((5, 1))], axis=1)))
    mode = Mode(jax.tree_util.Partial(logits))
    np.testing.assert_allclose(responses_of(mode, CHOICE)(OBS), expected, rtol=1e-5)
    # Behind the wrapper that standardises, the distribution is that of what the policy within sees.
    scaled = Scaled(mode, CHOICE, mean=np.array([1.0, 0.0]), std=np.array([2.0, 1.0]))
    moved = (OBS - [1, 0]) / [2, 1]
    inner = np.asarray(jax.nn.softmax(np.concatenate([moved, np.zeros((5, 1))], axis=1)))
    np.testing.assert_allclose(responses_of(scaled, CHOICE)(OBS), inner, rtol=1e-5)

    class Chooses(HostPolicy):
        spec, name = CHOICE, "chooses"
        known: Any = None

        def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
            return np.arange(len(obs)) % 3, carry, {} if self.known is None else {"probabilities": self.known}

    policy = Chooses()
    np.testing.assert_array_equal(responses_of(policy, CHOICE)(OBS), np.eye(3)[[0, 1, 2, 0, 1]])
    policy.known = expected
    np.testing.assert_array_equal(responses_of(policy, CHOICE)(OBS), expected)
    policy.known = expected[:, :2]
    with pytest.raises(PolicyError, match=r"chooses gave probabilities of shape \(5, 2\)"):
        responses_of(policy, CHOICE)(OBS)


def test_one_hot_rows_are_choices_observed() -> None:
    rows = np.array([[0.0, 1.0, 0.0], [0.9, 0.0, 0.1]])
    seen = observations_from(Discrete(3), rows)
    np.testing.assert_array_equal(seen, [1, 0])
    assert seen.dtype == np.int32
    several = np.array([[0.0, 1.0, 1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(observations_from(MultiDiscrete((2, 3)), several), [[1, 0]])


def test_several_choices_are_joined_one_hots() -> None:
    from pilothouse.core.spaces import MultiDiscrete

    rows = flat_response(MultiDiscrete((2, 3)), np.array([[1, 0], [0, 2]]))
    np.testing.assert_array_equal(rows, [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]])


def test_what_was_noticed_in_turn_is_noticed_together() -> None:
    # The first decision of each is left out: 4 + 2 seconds over 2 + 1 decisions.
    both = Conduct(3, 30, 5, 4.0, 3.0)
    both.add(Conduct(2, 20, 0, 2.0, 2.0))
    assert (both.steps, both.actions, both.clipped, both.slowest) == (4, 50, 5, 3.0)
    assert "takes 2.0 s to decide" in both.notes("sleepy")[1]
    none = Conduct()
    none.add(Conduct(3, 30, 0, 4.0, 3.0))
    assert none == Conduct(3, 30, 0, 4.0, 3.0)
    none.add(Conduct())
    assert none == Conduct(3, 30, 0, 4.0, 3.0)
