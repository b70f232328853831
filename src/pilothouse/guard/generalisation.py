"""How a policy does in contexts that it did not learn in: between those that it knew, and beyond them."""

from dataclasses import dataclass

from pilothouse.core.errors import SettingError
from pilothouse.guard.dynamics import Place
from pilothouse.guard.worst_case import OverSet, over
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy
from pilothouse.worlds.contextual import Contexts


@dataclass(frozen=True)
class Splits:
    """The same episodes in contexts of each split. `learned_in` is None where every context of the middle was."""

    learned_in: OverSet | None
    interpolation: OverSet
    extrapolation: OverSet

    @property
    def gap(self) -> float:
        """The mean return between the contexts learned in, less that beyond them."""
        return self.interpolation.mean - self.extrapolation.mean

    def numbers(self) -> dict[str, float]:
        """Mean returns `within` (interpolation), `beyond` (extrapolation) and, where those are known, `learned_in`; the gap."""
        known = {} if self.learned_in is None else {"learned_in": self.learned_in.mean}
        return {**known, "within": self.interpolation.mean, "beyond": self.extrapolation.mean, "gap": self.gap}


@dataclass(frozen=True)
class Generalisation:
    """`generalisation(policy, place, contexts) -> Splits`: `points` contexts of each held-out split, `episodes` in each.

    Any policy; a place whose constants tasks may change, which shows the policy what it was shown when it learned.
    """

    points: int = 16
    episodes: int = 4

    def __call__(self, policy: Policy | HostPolicy, place: Place, contexts: Contexts, *, seed: int = 0) -> Splits:
        """**Raises:** `UnknownNameError` for a constant that the place lacks, `SettingError` for sizes below 1."""
        if self.points < 1 or self.episodes < 1:
            raise SettingError(f"points={self.points}, episodes={self.episodes}; expected at least 1 of each.")
        known = contexts.learned_in
        splits = (contexts.interpolation(self.points), contexts.extrapolation(self.points))
        inside, outside = (over(policy, place, split, self.episodes, seed) for split in splits)
        return Splits(over(policy, place, known, self.episodes, seed) if known else None, inside, outside)
