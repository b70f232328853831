"""Trials of who is helped: participants moved between arms afterwards, where that would have changed nothing.

Each arm's policy acts on the participants with the highest index, as many as its budget allows. Whoever was never acted
on, and would not have been in any of the arms either, could as well have been in another arm: everybody's actions, and so
everybody's outcomes, would have been the same. Such participants are exchanged freely, and the mean over all the trials
that might have been replaces the one that was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError

Index = Float[np.ndarray, "participant step"]


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished trial; make it with `of`, which checks.

    - `outcome`: `[participant]`; `acted`: `[participant, step]`; `arm`: `[participant]`, counted from 0.
    - `indices`: for each arm the index by which its policy ranks every participant at every step, given what had
      happened to that participant until then, also of those in other arms; None for an arm that acts on nobody.
    """

    outcome: Float[np.ndarray, " participant"]
    acted: Bool[np.ndarray, "participant step"]
    arm: Int[np.ndarray, " participant"]
    indices: tuple[Index | None, ...]

    @classmethod
    def of(cls, outcome: ArrayLike, acted: ArrayLike, arm: ArrayLike, indices: Sequence[ArrayLike | None]) -> "Trial":
        """**Raises:** `DataError` for unequal lengths, an empty arm, or actions that are not those of the indices."""
        y, done, number = np.asarray(outcome, np.float64), np.asarray(acted, bool), np.asarray(arm, np.int64)
        ranks = tuple(None if index is None else np.asarray(index, np.float64) for index in indices)
        shapes = {index.shape for index in ranks if index is not None} | {done.shape}
        if done.ndim != 2 or y.shape != done.shape[:1] or number.shape != y.shape or len(shapes) > 1:
            raise DataError(
                f"outcome {y.shape}, acted {done.shape}, arm {number.shape} and indices {sorted(shapes)}; expected "
                "(participants,), (participants, steps), (participants,) and (participants, steps)."
            )
        sizes = np.bincount(number[number >= 0], minlength=len(ranks))
        if number.min() < 0 or len(sizes) > len(ranks) or (sizes == 0).any():
            raise DataError(
                f"Arms have {sizes.tolist()} participants and {len(ranks)} indices; expected one for each arm."
            )
        made = cls(y, done, number, ranks)
        for p in range(len(ranks)):
            if not made.followed(p):
                raise DataError(
                    f"Arm {p} acted on some with a lower index than others it passed over (or it has no index and acted); "
                    "give the index that its policy had."
                )
        return made

    def followed(self, p: int) -> bool:
        """Whether arm p acted on those with the highest indices, at every step."""
        index, here = self.indices[p], self.arm == p
        if index is None:
            return not self.acted[here].any()
        passed = np.where(self.acted | ~here[:, None], -np.inf, index).max(axis=0)
        return bool((passed <= self._lowest(p, index)).all())

    def _lowest(self, p: int, index: Index) -> Float[np.ndarray, " step"]:
        """The lowest index acted on in arm p, by step; infinite where it acted on nobody."""
        return np.where(self.acted & (self.arm == p)[:, None], index, np.inf).min(axis=0)

    def reassigned(self, arm: ArrayLike) -> "Trial":
        """The same actions and outcomes with participants in other arms, whether or not that could have been."""
        return Trial(self.outcome, self.acted, np.asarray(arm, np.int64), self.indices)

    def permissible(self, arm: ArrayLike) -> bool:
        """Whether the policies, given these arms, would have acted on everybody as was done.

        Arms keep their sizes, and at every step the number that they acted on.
        """
        other = self.reassigned(arm)
        alike = all(
            (self.arm == p).sum() == (other.arm == p).sum()
            and (self.acted[self.arm == p].sum(0) == self.acted[other.arm == p].sum(0)).all()
            for p in range(len(self.indices))
        )
        return alike and all(other.followed(p) for p in range(len(self.indices)))

    @property
    def free(self) -> Bool[np.ndarray, " participant"]:
        """Who was never acted on, and would not have been in any arm: not above the lowest index acted on there."""
        found = np.logical_not(np.any(self.acted, axis=1))
        for p, index in enumerate(self.indices):
            if index is not None:
                found = found & (index <= self._lowest(p, index)).all(axis=1)
        return np.asarray(found)


def sample_means(trial: Trial) -> Float[np.ndarray, " arm"]:
    """The mean outcome of each arm's participants."""
    sizes = np.bincount(trial.arm, minlength=len(trial.indices))
    return np.bincount(trial.arm, weights=trial.outcome, minlength=len(sizes)) / sizes


def reshuffled_means(trial: Trial) -> Float[np.ndarray, " arm"]:
    """The mean outcome of each arm over all ways to deal the free participants to the arms' free places.

    Given who is free, every such trial was equally likely and all have the same outcomes, so that this is the expected
    sample mean given what is known of the trial: as unbiased, and never of larger variance.

    **Source:** Mate, Wilder, Taneja and Tambe, "Improved Policy Evaluation for Randomized Trials of Algorithmic Resource
    Allocation", arXiv:2302.02570; the exact mean over the class of reassignments in which those acted on stay.
    """
    free = trial.free
    if not free.any():
        return sample_means(trial)
    typical = trial.outcome[free].mean()
    return sample_means(Trial(np.where(free, typical, trial.outcome), trial.acted, trial.arm, trial.indices))
