"""Exact values and optimal policies of a tabular world, on the host in float64.

The truth that learning and estimating are measured against. All of it speaks of the endless problem: a time limit
truncates and does not change a value; a terminal state is worth 0.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import SettingError
from pilothouse.worlds.tabular import Tabular

Policy = Float[np.ndarray, "states actions"]


class Solution(NamedTuple):
    """What is best: state values, action values, and the best action of each state (the first among equals)."""

    value: Float[np.ndarray, " states"]
    action_value: Float[np.ndarray, "states actions"]
    best: Int[np.ndarray, " states"]


def values(world: Tabular, policy: Policy, *, discount: float) -> Float[np.ndarray, " states"]:
    r"""$V = (I - \gamma P_\pi)^{-1} r_\pi$, the discounted return of `policy` (rows are distributions) from each state.

    Terminal states are worth 0. Raises `SettingError` unless 0 <= discount < 1, or where the policy has another shape.
    """
    onward, reward = _tables(world, discount)
    policy = np.asarray(policy, np.float64)
    if policy.shape != reward.shape:
        raise SettingError(f"The policy is {policy.shape}; expected {reward.shape}: a row of probabilities a state.")
    mixed = np.einsum("sa,sat->st", policy, onward)
    return np.linalg.solve(np.eye(len(mixed)) - discount * mixed, (policy * reward).sum(1))


def action_values(world: Tabular, policy: Policy, *, discount: float) -> Float[np.ndarray, "states actions"]:
    """The discounted return of each action, followed by `policy`. Raises as `values`."""
    onward, reward = _tables(world, discount)
    return reward + discount * onward @ values(world, policy, discount=discount)


def optimal(world: Tabular, *, discount: float, tolerance: float = 1e-10) -> Solution:
    """The best that can be done: value iteration until no value moves by more than `tolerance`, then one exact solve
    of the greedy policy. Raises `SettingError` unless 0 <= discount < 1."""
    onward, reward = _tables(world, discount)
    value = np.zeros(len(reward))
    while True:
        newer = (reward + discount * onward @ value).max(axis=1)
        moved, value = np.abs(newer - value).max(), newer
        if moved <= tolerance:
            break
    best = (reward + discount * onward @ value).argmax(axis=1)
    value = values(world, np.eye(reward.shape[1])[best], discount=discount)
    return Solution(value, reward + discount * onward @ value, best)


def expected_return(world: Tabular, policy: Policy, *, discount: float) -> float:
    """The discounted return of `policy` from the world's own starts."""
    return float(np.asarray(world.start, np.float64) @ values(world, policy, discount=discount))


def _tables(world: Tabular, discount: float):
    """Where each action leads (rows of exactly 1, terminal states to nowhere) and what it brings, float64."""
    if not 0 <= discount < 1:
        raise SettingError(f"discount={discount}; exact values need a discount in [0, 1).")
    transition = np.asarray(world.transition, np.float64)
    transition = transition / transition.sum(-1, keepdims=True)
    alive = ~np.asarray(world.terminal)
    return transition * alive[:, None, None], np.asarray(world.reward, np.float64) * alive[:, None]
