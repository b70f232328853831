"""How a policy does over a whole set of physics: its mean, and the worst there is, over an even grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pilothouse.core.errors import SettingError
from pilothouse.guard.dynamics import Place, constants_by_task, with_values
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy
from pilothouse.rollout.actors import actor_of
from pilothouse.rollout.episodes import host_episodes
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.worlds.uncertain import UncertaintySet

LONGEST = 10_000
"""Steps after which an episode of a place without a time limit is counted as it stands."""


@dataclass(frozen=True, eq=False)
class OverSet:
    """`points`: constants by name. `returns`: `[point, episode]`, the same episodes at every point."""

    points: tuple[dict[str, float], ...]
    returns: Float[np.ndarray, "point episode"]

    @property
    def mean(self) -> float:
        """Over the whole grid."""
        return float(self.returns.mean())

    @property
    def worst(self) -> float:
        """The lowest mean return of any point."""
        return float(self.returns.mean(axis=1).min())

    @property
    def where(self) -> dict[str, float]:
        """The point at which that is."""
        return self.points[int(self.returns.mean(axis=1).argmin())]

    def as_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "worst": self.worst,
            "where": self.where,
            "points": list(self.points),
            "returns": self.returns.tolist(),
        }


@dataclass(frozen=True)
class WorstCase:
    """`worst_case(policy, place, within) -> OverSet`: the policy in the place at every point of the set's grid.

    Any policy; a JAX world, or a simulator with a MuJoCo model. Where tasks may change a world's constants, all points
    are lived side by side.
    """

    points: int = 10
    episodes: int = 20

    def __call__(self, policy: Policy | HostPolicy, place: Place, within: UncertaintySet, *, seed: int = 0) -> OverSet:
        """**Raises:** `UnknownNameError` for a constant that the place lacks, `SettingError` for a negative seed."""
        return over(policy, place, within.grid(self.points), self.episodes, seed)


def over(
    policy: Policy | HostPolicy, place: Place, points: Sequence[Mapping[str, float]], episodes: int, seed: int = 0
) -> OverSet:
    """The policy in the place at each of these points, in so many episodes, the same at every point.

    **Raises:** `UnknownNameError` for a constant that the place lacks, `SettingError` for a negative seed.
    """
    if seed < 0:
        raise SettingError(f"seed={seed}; expected at least 0.")
    with_values(place, points[0])  # names are checked before anything is run
    if set(points[0]) <= set(constants_by_task(place)):
        task = {name: np.repeat(np.array([p[name] for p in points], np.float32), episodes) for name in points[0]}
        returns = _lived(policy, place, len(points), task, episodes, seed).reshape(len(points), episodes)
    else:
        returns = np.stack([_lived(policy, with_values(place, point), 1, (), episodes, seed) for point in points])
    return OverSet(tuple(map(dict, points)), returns)


def _lived(policy: Policy | HostPolicy, place: Place, times: int, task: Any, episodes: int, seed: int) -> np.ndarray:
    seeds = [HELD_OUT + seed + episode for episode in range(episodes)] * times
    actor = actor_of(policy, copies=len(seeds), seed=HELD_OUT + seed)
    world = place.make(len(seeds))
    try:
        longest = int(getattr(world, "horizon", None) or LONGEST)
        return np.asarray(host_episodes(actor, world, seeds, longest=longest, task=task).returns, np.float64)
    finally:
        world.close()
