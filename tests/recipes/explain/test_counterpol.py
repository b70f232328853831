"""The mechanism: the return goes where it was asked to, from above as from below, and the pivot holds the policy back."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.explain.policy_change import policy_change
from pilothouse.recipes.explain.counterpol import counterpol
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.tabular import Tabular


def bandit(horizon: int = 4) -> Tabular:
    """Two places, two actions: action 1 brings 1, action 0 nothing, wherever one is. At random the return is 2."""
    transition = np.full((2, 2, 2), 0.5)
    return Tabular.of(transition, np.array([[0.0, 1.0], [0.0, 1.0]]), horizon=horizon)


def test_the_return_is_brought_to_the_target_with_less_change_under_the_pivot() -> None:
    source = WorldSource("bandit", bandit(), 64)
    # Lanes: up and down without the pivot, up and down with it, and up under a pivot that lets nothing go.
    floats = {"target": [3.0, 1.0, 3.0, 1.0, 3.0], "k": [0.0, 0.0, 0.05, 0.05, 100.0]}
    recipe = counterpol(lr=0.01, tolerance=0.15, span=4.0, rounds=10, length=4, width=8, depth=1)
    steps = 15 * 11 * 4 * 64
    run = learn(recipe, source, steps=steps, seeds=[0] * 5, floats=floats, episodes=400)
    up, down, held_up, held_down, still = run.final_returns().mean(axis=1)
    assert abs(up - 3) < 0.4 and abs(held_up - 3) < 0.4
    assert abs(down - 1) < 0.4 and abs(held_down - 1) < 0.4
    assert abs(still - 2) < 0.4  # the pivot in earnest: the baseline's k = 0 would go to 3
    parts = run.machine.state.parts
    change = jax.vmap(lambda one, other: policy_change(one, other, jnp.arange(2)))(parts["original"], parts["agent"])
    assert change.divergence[4] < 0.01 < change.divergence[:4].min()
    assert (np.abs(np.asarray(parts["achieved"])[:4] - [3, 1, 3, 1]) < 0.5).all()
