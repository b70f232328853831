"""Actions drawn once: the states are of the data, each draw is its own, and the room has the shapes that it is filled to."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.drawn_actions import draw_actions, room_for_draws
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec


class Near(eqx.Module):
    """Draws uniformly from what is observed to half a unit more."""

    def sample(self, obs: Any, key: Any) -> Any:
        return obs[:1] + 0.5 * jax.random.uniform(key, (1,))


def test_each_state_of_the_data_keeps_draws_of_its_own() -> None:
    room = room_for_draws(Spec(Box((2,)), Box((1,), -1.0, 1.0)), 40, 3)(jax.random.key(0))
    data = Batch(obs=jnp.stack([jnp.arange(7.0), jnp.zeros(7)], axis=1))
    rule = draw_actions("draws", lambda parts: parts["near"])
    parts = {"draws": room, "data": data, "near": Near()}
    found = rule.change(parts, None, {}, jax.random.key(1))["draws"]
    assert jax.tree.map(lambda x: (x.shape, x.dtype), found) == jax.tree.map(lambda x: (x.shape, x.dtype), room)
    assert set(np.asarray(found.obs[:, 0]).tolist()) == set(range(7)), "forty of seven: each at least once"
    offset = np.asarray(found.action[..., 0] - found.obs[:, :1])
    assert np.all((0 <= offset) & (offset <= 0.5)) and len(np.unique(offset)) > 100
