"""The mechanism: a forest acts by its command; one that is not told of it cannot. Orders go beyond the best, by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.upside_down import grow, orders_of
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.episode_archive import EpisodeArchive
from pilothouse.networks.commanded import gated, unguided
from pilothouse.objectives.cloning import clone_commanded
from pilothouse.recipes.explain.udrl_trees import udrl_trees

SPEC = Spec(Box((2,)), Discrete(3))


@pytest.fixture(scope="module")
def archive() -> EpisodeArchive:
    """Of sixteen episodes of four steps, those that chose 2 earned a step what those that chose 0 did not."""
    obs = jax.random.normal(jax.random.key(0), (16, 4, 2))
    good = jnp.broadcast_to(jnp.arange(16)[:, None] < 8, (16, 4))
    return EpisodeArchive(obs, jnp.where(good, 2, 0), good.astype(jnp.float32), jnp.full(16, 4))


@pytest.mark.parametrize("kind", ["random forest", "extra trees"])
def test_a_forest_does_what_it_is_told(kind, archive) -> None:
    rule = grow(SPEC, kind, trees=5, batch=128)
    grown = rule.change({"archive": archive}, None, {}, jax.random.key(1))
    told = jax.vmap(lambda obs, command: grown["behaviour"](obs, command).mode(), in_axes=(0, None))
    np.testing.assert_array_equal(told(archive.obs[:, 0], jnp.array([4.0, 4.0])), 2)
    np.testing.assert_array_equal(told(archive.obs[:, 0], jnp.array([0.0, 4.0])), 0)
    # What was to be earned decided everything: so it counts for most, and the shares add up to one.
    assert grown["importance"].argmax() == 2 and grown["importance"].sum() == pytest.approx(1.0, abs=1e-5)
    # The same with shuffled actions: nothing is left to go by.
    mixed = jax.random.permutation(jax.random.key(3), archive.action.ravel()).reshape(16, 4)
    shuffled = EpisodeArchive(archive.obs, mixed, archive.reward, archive.length)
    other = rule.change({"archive": shuffled}, None, {}, jax.random.key(1))
    assert other["importance"][2] < 0.5 * grown["importance"][2]


def test_orders_by_hand() -> None:
    # Returns 6, 4 and 1 in 3, 1 and 2 steps; of the best two: mean 5, deviation 1, 2 steps; 11 in 6 steps a step.
    reward = jnp.array([[1.0, 2, 3], [4, 0, 0], [0, 1, 0], [0, 0, 0]])
    archive = EpisodeArchive(jnp.zeros((4, 3, 2)), jnp.zeros((4, 3), jnp.int32), reward, jnp.array([3, 1, 2, 0]))
    orders = orders_of(archive, 2)
    np.testing.assert_allclose([orders.low, orders.high, orders.steps, orders.reward], [5, 6, 2, 11 / 6], rtol=1e-6)


def test_before_anything_is_learned_choices_are_even_and_the_loss_is_their_entropy() -> None:
    behaviour = unguided(SPEC, 2, 3)(jax.random.key(0))
    np.testing.assert_allclose(behaviour(jnp.ones(2), jnp.ones(2)).probs, 1 / 3, rtol=1e-5)
    batch = Batch(obs=jnp.ones((4, 2)), command=jnp.ones((4, 2)), action=jnp.array([0, 1, 2, 0]))
    loss, _ = clone_commanded({"behaviour": behaviour}, batch, jax.random.key(0))
    assert loss == pytest.approx(np.log(3), rel=1e-5)


def test_a_network_is_gated_by_its_command() -> None:
    network = gated(SPEC, 4, 1)(jax.random.key(0))
    shut = eqx.tree_at(lambda n: n.of_command.bias, network, jnp.full(4, -1e6))
    here, there = (shut(jnp.full(2, x), jnp.zeros(2)).log_probs for x in (0.0, 5.0))
    np.testing.assert_array_equal(here, there)  # nothing of the observation comes through
    assert not np.allclose(
        network(jnp.zeros(2), jnp.zeros(2)).log_probs, network(jnp.zeros(2), jnp.full(2, 99.0)).log_probs
    )


def test_only_the_learner_differs() -> None:
    arms = {kind: udrl_trees(learner=kind, trees=2, batch=4).build(SPEC) for kind in ("random forest", "network")}
    assert set(arms["random forest"].parts) - set(arms["network"].parts) == {"importance"}
    first = [[type(step).__name__ for step in arm.stages[1].cycle] for arm in arms.values()]
    assert first == [["Rule", "Collect", "Rule"], ["Fit", "Collect", "Rule"]]
