"""What a policy does, disturbed on its way to the world: noise on actions, and actions that arrive late.

As in `guard/sensing.py`: around any `Actor`; nothing changes at level 0; draws do not depend on the level.
"""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.guard.sensing import Disturbed
from pilothouse.rollout.episodes import Actor


def noisy_actions(actor: Actor, level: float, here: Disturbed) -> Actor:
    """Boxes: normal noise of `level` times the action's range, cut to the bounds. Choices: drawn anew with that chance.

    An entry without bounds counts as having a range of 1.
    """

    def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        action, carry = actor(obs, carry, step)
        return _noisy(here.spec.action, action, level, here.draws("action noise", step)), carry

    return act


def delayed_actions(actor: Actor, level: float, here: Disturbed) -> Actor:
    """What is done is what was decided `level` steps ago (a whole number); before that, `resting` actions."""
    steps = int(level)

    def act(obs: PyTree, carry: PyTree, step: int) -> tuple[PyTree, PyTree]:
        inner, waiting = (None, None) if carry is None else carry
        action, inner = actor(obs, inner, step)
        if waiting is None:
            waiting = (resting(here.spec.action, action),) * steps
        waiting = (*waiting, action)
        return waiting[0], (inner, waiting[1:])

    return act


def resting(space: Space, action: PyTree) -> PyTree:
    """Actions of no effort, as many as were given: 0, or the bound nearest to it; the first choice."""
    if isinstance(space, DictSpace):
        return {name: resting(inner, action[name]) for name, inner in space.items}
    still: Any = np.clip(0.0, *space.bounds()) if isinstance(space, Box) else 0
    return np.broadcast_to(still, np.shape(action)).astype(np.asarray(action).dtype)


def _noisy(space: Space, action: PyTree, level: float, draws: np.random.Generator) -> PyTree:
    if isinstance(space, DictSpace):
        return {name: _noisy(inner, action[name], level, draws) for name, inner in space.items}
    old = np.asarray(action)
    if isinstance(space, Discrete | MultiDiscrete):
        choices = space.n if isinstance(space, Discrete) else np.asarray(space.nvec)
        other = draws.integers(0, choices, size=old.shape)
        return np.where(draws.random(old.shape) < level, other, old).astype(old.dtype)
    assert isinstance(space, Box)
    low, high = space.bounds()
    width = np.where(np.isfinite(low) & np.isfinite(high), high - low, 1.0)
    return np.clip(old + level * width * draws.standard_normal(old.shape), low, high).astype(old.dtype)
