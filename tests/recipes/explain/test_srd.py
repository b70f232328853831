"""The mechanism: the fish's own verdict is what trains it, and nothing that the world pays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.robot_fish import robot_fish
from pilothouse.objectives.self_reward import own_verdict_loss, self_rewarded
from pilothouse.recipes.explain.srd import srd


def test_the_loss_by_hand() -> None:
    # Added up: 1.2 and 0.8. The larger one's share is 1 / (1 + exp(-0.4)) = 0.5987, its cross-entropy 0.5130.
    assert own_verdict_loss(jnp.array([[0.7, 0.3], [0.5, 0.5]])) == pytest.approx(0.5130, abs=1e-4)
    # Where it mostly finds itself wrong, it grows surer of that.
    assert own_verdict_loss(jnp.array([[0.3, 0.7], [0.5, 0.5]])) == pytest.approx(0.5130, abs=1e-4)


def test_steps_on_it_raise_the_verdict_and_rewards_do_not_matter() -> None:
    fish, loss = robot_fish(jax.random.key(0)), self_rewarded("fish")
    obs = jnp.tile(jnp.array([[0.5, 0.0, 0.0, 0.1], [0.0, 0.5, 0.0, 0.1]]), (1, 4, 1)).reshape(1, 8, 4)

    @jax.jit
    def slope(fish, reward):
        batch = Batch(obs=obs, reward=reward)
        return jax.value_and_grad(lambda own: loss({"fish": own}, batch, jax.random.key(0))[0])(fish)

    (value, found), (_, other) = slope(fish, jnp.zeros((1, 8))), slope(fish, jnp.full((1, 8), -5.0))
    assert all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(other), strict=True))
    assert any(np.abs(x).max() > 0 for x in jax.tree.leaves(found.decide))  # what acts learns from what judges
    stepped = jax.tree.map(lambda x, g: x - 0.01 * g, fish, found)
    assert slope(stepped, jnp.zeros((1, 8)))[0] < value
    before, after = (jax.vmap(own.self_reward)(obs[0])[:, 0].mean() for own in (fish, stepped))
    assert after > before


def test_other_bodies_are_refused() -> None:
    with pytest.raises(SpaceError, match="box of 4 numbers"):
        srd().build(Spec(Box((3,)), Discrete(2)))
    with pytest.raises(SpaceError, match="one of 2 choices"):
        srd().build(Spec(Box((4,)), Discrete(3)))
