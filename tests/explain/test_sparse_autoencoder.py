"""Sparse features: planted ones are found again, and are nothing that a policy with other weights has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import PolicyError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.sparse_autoencoder import (
    alikeness,
    explained_share,
    features_by_use,
    in_units,
    learned,
    study_features,
)
from pilothouse.explain.watched import Watched
from pilothouse.networks.actors import actor
from pilothouse.objectives.sparse_reconstruction import reconstruct_sparsely
from pilothouse.policies.policy import Memoryless, Mode
from pilothouse.train.machine import Lanes

INPUTS, PLANTED = 8, 12


def sparse_sums(rows: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are sums of one or two out of twelve directions in eight dimensions; the directions."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(PLANTED, INPUTS))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    on = rng.random((rows, PLANTED)) < 1.5 / PLANTED
    return (on * rng.uniform(1, 2, on.shape)) @ directions, directions


@pytest.fixture(scope="module")
def found():
    rows, directions = sparse_sums()
    x = (rows / np.sqrt((rows**2).sum(axis=1).mean() / INPUTS)).astype(np.float32)
    data = Batch(x=np.stack([x, x]))
    made = learned(
        lambda floats: reconstruct_sparsely(floats["sparsity"]), data, units=16, updates=1500, batch=64, lr=5e-3,
        lanes=Lanes.of([0, 1], {"sparsity": [0.3, 0.0]}),
    )  # fmt: skip
    return x, directions, [jax.tree.map(lambda leaf, lane=lane: leaf[lane], made) for lane in range(2)]


def recovered(network, directions) -> float:
    return float(np.abs(directions @ np.asarray(network.dictionary).T).max(axis=1).mean())


def test_planted_directions_are_recovered_by_sparsity_and_not_without(found) -> None:
    x, directions, (sparse, dense) = found
    assert recovered(sparse, directions) > 0.9 > recovered(dense, directions) + 0.1
    few, many = ((np.asarray(one.encode(jnp.asarray(x))) > 0.05).sum(axis=1).mean() for one in (sparse, dense))
    assert few < 5 and many > 8
    assert explained_share(x, np.asarray(sparse.decode(sparse.encode(jnp.asarray(x))))) > 0.85
    np.testing.assert_allclose(np.linalg.norm(sparse.dictionary, axis=1), 1.0, rtol=1e-4)


def test_units_shares_and_alikeness_by_hand() -> None:
    rows, mean, scale = in_units(np.array([[1.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(mean, [2.0, 5.0])
    assert scale == pytest.approx(np.sqrt(0.5)) and (rows**2).sum(axis=1).mean() == pytest.approx(2.0)
    x = np.array([[0.0, 1.0], [2.0, 1.0]])
    assert explained_share(x, x) == 1.0 and explained_share(x, np.ones((2, 2))) == 0.0
    one = np.random.default_rng(0).normal(size=(500, 3))
    assert alikeness(one, -2 * one[:, ::-1] + 1) == pytest.approx(1.0)  # order, sign and size do not matter
    assert alikeness(one, np.random.default_rng(1).normal(size=(500, 1))) < 0.15
    assert alikeness(one, np.ones((500, 2))) == 0.0


def test_features_are_named_by_what_they_go_with() -> None:
    obs = np.random.default_rng(0).normal(size=(400, 2))
    active = np.stack([np.maximum(-obs[:, 1], 0), np.full(400, 9.0), 3 * np.maximum(obs[:, 0], 0)], axis=1)
    first, second = features_by_use(active, obs, ("speed", "height"), 5)
    assert (first.unit, first.named, second.unit, second.named) == (2, "speed", 0, "height")
    assert first.correlation > 0.8 > -0.8 > second.correlation and first.active == pytest.approx(0.5, abs=0.1)


SPEC = Spec(Box((6,)), Discrete(2))


def seen_of(obs: np.ndarray) -> Watched:
    n = len(obs)
    return Watched(
        SPEC, tuple(f"x{i}" for i in range(6)), obs, np.zeros(n, int), np.ones(n), obs, np.zeros(n, bool),
        np.arange(n) == n - 1, np.zeros(n, int), np.arange(n),
    )  # fmt: skip


@pytest.fixture(scope="module")
def study():
    policy = Mode(actor(SPEC, 12, 1)(jax.random.key(3)))
    obs = np.random.default_rng(0).normal(size=(1200, 6)).astype(np.float32)
    return study_features(seen_of(obs), policy, units=16, updates=800, batch=64, most=3), policy, obs


def test_the_features_are_the_policys_own(study) -> None:
    found, _, _ = study
    assert found.explained > 0.7 and 0 < found.active < 12 and found.dead < 0.5
    assert found.randomised is not None and found.randomised < found.stability - 0.1 and found.sanity_passed
    assert len(found.features) == 3 and found.as_json()["units"] == 16


def test_features_are_of_activations_as_the_policy_has_them(study) -> None:
    found, policy, obs = study
    first = policy.actor.body.layers[0]
    latents = np.maximum(obs @ np.asarray(first.weight) + np.asarray(first.bias), 0.0)
    said = found.dictionary.said(found.dictionary.features(latents))
    assert explained_share(latents, said) == pytest.approx(found.explained, abs=0.1)


def test_a_policy_that_does_not_say_is_refused_in_one_line() -> None:
    class Shut(Memoryless):
        def __call__(self, obs, carry, key):
            return jnp.zeros((), jnp.int32), carry, {}

    with pytest.raises(PolicyError, match="tells its `latent`"):
        study_features(seen_of(np.zeros((4, 6), np.float32)), Shut())
