"""Logs of a tabular world, acted by a table of probabilities: what off-policy estimators are held against."""

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import assemble
from pilothouse.worlds.tabular import Tabular

Policy = Float[np.ndarray, "state action"]


def tabular_log(world: Tabular, policy: Policy, *, episodes: int, seed: int = 0) -> Dataset:
    """So many whole episodes, in NumPy, all stepped side by side; cut at the world's horizon.

    The propensity of each row is `policy[dataset.obs, dataset.action]`.

    **Raises:** `SettingError` for no episodes, or a policy of another shape or with a row that is no distribution.
    """
    transition = np.asarray(world.transition, np.float64)
    policy = np.asarray(policy, np.float64)
    if policy.shape != transition.shape[:2] or (policy < 0).any() or not np.allclose(policy.sum(1), 1, atol=1e-5):
        raise SettingError(f"The policy is {policy.shape}; expected {transition.shape[:2]} with rows that sum to 1.")
    if episodes < 1:
        raise SettingError(f"episodes={episodes}; expected at least 1.")
    generator = np.random.default_rng(seed)
    onward, acting = transition.cumsum(-1), policy.cumsum(-1)
    starts = np.asarray(world.start, np.float64)
    place = _draw(np.broadcast_to(starts.cumsum(), (episodes, len(starts))), generator)
    terminal, alive = np.asarray(world.terminal), np.arange(episodes)
    taken: list[np.ndarray] = []
    for _ in range(world.horizon):
        here = place[alive]
        action = _draw(acting[here], generator)
        there = _draw(onward[here, action], generator)
        taken.append(np.stack([alive, here, action, there]))
        place[alive] = there
        alive = alive[~terminal[there]]
        if not len(alive):
            break
    rows = np.concatenate(taken, axis=1)
    rows = rows[:, np.argsort(rows[0], kind="stable")]  # by episode; within one, the order of time stays
    lengths = np.bincount(rows[0], minlength=episodes)
    last = np.cumsum(lengths) - 1
    terminated = terminal[rows[3]]
    truncated = np.zeros(len(terminated), bool)
    truncated[last] = ~terminated[last]
    seen = np.empty(rows.shape[1] + episodes, np.int64)  # each episode's states, and what followed its last step
    seen[np.arange(rows.shape[1]) + rows[0]] = rows[1]
    seen[last + 1 + np.arange(episodes)] = rows[3][last]
    reward = np.asarray(world.reward, np.float64)[rows[1], rows[2]]
    about = {"seeds": None, "name": "tabular-log-v0", "env_id": None, "description": ""}
    return assemble(
        "tabular log", lengths, world.spec, obs=seen, action=rows[2], reward=reward, terminated=terminated,
        truncated=truncated, **about,
    )  # fmt: skip


def _draw(cumulative: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A choice for each row of cumulative probabilities."""
    drawn = generator.random((len(cumulative), 1)) * cumulative[:, -1:]
    return (drawn >= cumulative).sum(axis=1)
