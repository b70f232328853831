"""Pairs of continuations: what a policy comes to from one start when it is at its best, and when it is not."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError
from pilothouse.explain.watched import Watched


@dataclass(frozen=True)
class Pairs:
    """Rows of two continuations, as many steps after the start they share: numbers of rows of `seen`.

    `root` is the first step of the better one's episode; `pair` says which pair of episodes a row is of.
    """

    seen: Watched
    root: Int[np.ndarray, " rows"]
    better: Int[np.ndarray, " rows"]
    worse: Int[np.ndarray, " rows"]
    pair: Int[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.pair)


def continuations(better: Watched, worse: Watched, *, ahead: int) -> Pairs:
    """Pairs of the steps 1 to `ahead` of two policies watched from the same seeds, as far as both episodes go.

    **Raises:** `DataError` where two episodes of one number begin at different observations, or none has a second step.
    """
    last = int(better.episode.max()) + 1
    names = set(better.extras) & set(worse.extras)
    seen = _joined(better, replace(worse, episode=worse.episode + last), names)
    first = {int(seen.episode[row]): row for row in np.flatnonzero(seen.step == 0)}
    both = [(int(one), int(one) + last) for one in better.episodes if int(one) + last in first]
    for one, other in both:
        if not np.allclose(seen.obs[first[one]], seen.obs[first[other]], atol=1e-6):
            raise DataError(
                f"Episode {one} begins at different observations; expected two policies watched from the same seeds."
            )
    return _paired(seen, both, ahead)


def own_continuations(seen: Watched, *, ahead: int) -> Pairs:
    """Pairs of a policy's own episodes: each of the better half by return beside the one of the others, taken once, that
    begins nearest to it (in standard deviations of the observations).

    **Raises:** `DataError` where fewer than two episodes have a second step.
    """
    episodes, first = seen.episodes, {int(seen.episode[row]): row for row in np.flatnonzero(seen.step == 0)}
    order = episodes[np.argsort(-seen.returns, kind="stable")]
    half = len(order) // 2
    left, both = [int(one) for one in order[len(order) - half :]], []
    for one in (int(one) for one in order[:half]):
        apart = [np.linalg.norm((seen.obs[first[one]] - seen.obs[first[other]]) / seen.scale) for other in left]
        both.append((one, left.pop(int(np.argmin(apart)))))
    return _paired(seen, both, ahead)


def _paired(seen: Watched, both: list[tuple[int, int]], ahead: int) -> Pairs:
    row = {(int(e), int(s)): i for i, (e, s) in enumerate(zip(seen.episode, seen.step, strict=True))}
    found = [
        (row[one, 0], row[one, step], row[other, step], number)
        for number, (one, other) in enumerate(both)
        for step in range(1, ahead + 1)
        if (one, step) in row and (other, step) in row
    ]
    if not found:
        raise DataError("No two episodes to pair have a second step; watch more of them, or for longer.")
    root, better, worse, pair = np.array(found).T
    return Pairs(seen, root, better, worse, pair)


def _joined(one: Watched, other: Watched, names: set[str]) -> Watched:
    arrays = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode", "step")
    extras = {name: np.concatenate([one.extras[name], other.extras[name]]) for name in sorted(names)}
    return replace(
        one, extras=extras, **{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in arrays}
    )


def shuffled(pairs: Pairs, seed: int) -> Pairs:
    """The same better rows with the worse rows of other pairs: what is left when nothing joins them."""
    return replace(pairs, worse=pairs.worse[np.random.default_rng(seed).permutation(len(pairs))])


def together(pairs: Pairs, latents: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "both pairs wide"]:
    """The root's latents beside those of the better row, and beside those of the worse: `[2, pairs, 2 inputs]`."""
    root = latents[pairs.root]
    return np.stack([np.concatenate([root, latents[rows]], axis=1) for rows in (pairs.better, pairs.worse)])
