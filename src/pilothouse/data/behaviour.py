"""What those who made a dataset did in like situations: one thing, several things, or anything.

Measured without training, among neighbours. Some rows are drawn as anchors; to each belong the `NEIGHBOURS` rows whose
observations lie nearest (Euclidean, every entry divided by its standard deviation), and their actions are compared:

- **multimodality**: real actions are divided by their standard deviation over the data and looked at along each entry,
  and along the direction in which the neighbours differ most; the best cut of such a line into two groups, of at least
  a tenth of them each, explains a share of the variance. That share is rescaled to 0 for as many numbers
  spread evenly (found by simulation; one normal cloud lies below) and 1 for two points. An anchor counts as having two
  modes where the largest of these scores is 0.5 or more, which is about 5.4 standard deviations between two equal groups. For choices an anchor has two modes where the second most frequent
  choice is taken at least a third as often as the first, among neighbours that agree in at least 80% on these two.
- **randomness**: the variance of the actions within a neighbourhood over that in the whole data, 0 where the situation
  settles the action and 1 where it says nothing. For choices: entropies in place of variances.
- **distance**: how far the neighbours are, over how far two rows drawn at random are. Near 1 the neighbours are no
  neighbours, and the other two numbers say little.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Space
from pilothouse.data.dataset import STD_FLOOR, Dataset, observations

ANCHORS = 400
NEIGHBOURS = 40
POOL = 40_000
"""Rows at most among which neighbours are looked for."""
MODES = 0.5
"""From this score on a neighbourhood has two modes."""
_WIDEST = 64
"""Entries of an observation beyond which they are projected at random on half as many."""


@dataclass(frozen=True)
class Behaviour:
    """Means over anchors: `multimodality` is the share with two modes, `randomness` and `distance` as told above."""

    multimodality: float
    randomness: float
    distance: float
    anchors: int

    @property
    def near(self) -> bool:
        """Whether the neighbours are near enough for the other numbers to mean something."""
        return self.distance < 0.7


def behaviour(dataset: Dataset, *, seed: int = 0) -> Behaviour | None:
    """How the actions of like situations differ; None where there are fewer than four neighbourhoods of rows.

    At most `POOL` rows and `ANCHORS` anchors, drawn by `seed`.
    """
    dataset.require("a look at behaviour", "action")
    generator = np.random.default_rng(seed)
    total = len(dataset)
    if total < 4 * NEIGHBOURS:
        return None
    pool = generator.choice(total, min(POOL, total), replace=False)
    pool.sort()
    seen = _features(dataset, pool, generator)
    anchors = generator.choice(len(pool), min(ANCHORS, len(pool)), replace=False)
    nearest, far = _neighbours(seen, anchors)
    random_pairs = np.linalg.norm(seen[anchors] - seen[generator.permutation(len(pool))[: len(anchors)]], axis=1)
    distance = float(np.median(far) / max(float(np.median(random_pairs)), 1e-12))
    kinds = [
        (_of_choices if _is_choice(space) else _of_numbers)(_flat(array[pool]), nearest)
        for _, space, array in observations(dataset.spec.action, dataset.action)
    ]
    modes = np.any([found[0] for found in kinds], axis=0)
    randomness = np.mean([found[1] for found in kinds])
    return Behaviour(float(modes.mean()), float(randomness), distance, len(anchors))


def two_group_share(values: Float[np.ndarray, "*batch k"]) -> Float[np.ndarray, "*batch"]:
    """Share of the variance of `k` numbers that their best cut into two groups explains; in [0, 1], 0 without variance.

    Each group holds at least a tenth of the numbers. A normal cloud gives 2/pi, an even spread 3/4, two points 1.
    """
    x = np.sort(np.asarray(values, np.float64), axis=-1)
    x = x - x.mean(axis=-1, keepdims=True)
    k = x.shape[-1]
    least = max(k // 10, 1)
    left = np.arange(1, k)
    # With mean 0 the groups' sums are s and -s: s^2 / left + s^2 / right is k times the variance between them.
    between = np.cumsum(x, axis=-1)[..., :-1] ** 2 * (k / (left * (k - left)))
    between = between[..., least - 1 : k - least]
    whole = (x**2).sum(axis=-1)
    return np.where(whole > 1e-12, between.max(axis=-1) / np.maximum(whole, 1e-12), 0.0)


def _of_numbers(action: Float[np.ndarray, "row act"], nearest: Int[np.ndarray, "anchor k"]) -> tuple:
    std = action.std(axis=0)
    scaled = action / np.where(std > 1e-8, std, 1.0)
    around = scaled[nearest]
    around = around - around.mean(axis=1, keepdims=True)
    within = (around**2).sum(axis=(1, 2)) / (around.shape[1] - 1)
    randomness = np.clip(within / max(float((std > 1e-8).sum()), 1.0), 0.0, 1.0)
    even = _cut_shares(np.random.default_rng(0).uniform(-1, 1, (512, *around.shape[1:]))).mean(axis=0)
    even[0] = even[1:].mean()  # so that a mixture of entries is held to what one entry is
    scores = (_cut_shares(around) - even) / (1 - even)
    return scores.max(axis=1) >= MODES, randomness.mean()


def _cut_shares(around: Float[np.ndarray, "anchor k act"]) -> Float[np.ndarray, "anchor line"]:
    """Along the direction of greatest variance, and along each entry."""
    covariance = np.einsum("nki,nkj->nij", around, around)
    along = np.linalg.eigh(covariance)[1][:, :, -1:]
    lines = np.concatenate([np.einsum("nki,nij->nkj", around, along), around], axis=2)
    return two_group_share(np.swapaxes(lines, 1, 2))


def _of_choices(action: Int[np.ndarray, "row act"], nearest: Int[np.ndarray, "anchor k"]) -> tuple:
    modes, shares = np.zeros(len(nearest), bool), []
    for column in action.T:
        _, codes = np.unique(column, return_inverse=True)
        count = int(codes.max()) + 1
        counts = np.stack([(codes[nearest] == choice).sum(axis=1) for choice in range(count)], axis=1)
        top = np.sort(counts, axis=1)[:, ::-1]
        if count > 1:
            modes |= (3 * top[:, 1] >= top[:, 0]) & (top[:, :2].sum(axis=1) >= 0.8 * nearest.shape[1])
        whole = _entropy(np.bincount(codes)[None])[0]
        shares.append(np.clip(_entropy(counts).mean() / whole, 0.0, 1.0) if whole > 1e-9 else 0.0)
    return modes, float(np.mean(shares))


def _entropy(counts: np.ndarray) -> np.ndarray:
    share = counts / counts.sum(axis=1, keepdims=True)
    return -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1)


def _is_choice(space: Space) -> bool:
    return isinstance(space, Discrete | MultiDiscrete) or (isinstance(space, Box) and space.dtype != "float32")


def _flat(array: np.ndarray) -> np.ndarray:
    """`[row, entry]`; what is not finite counts as 0, since one such number would hide all others."""
    flat = array.reshape(len(array), -1)
    return np.nan_to_num(flat, posinf=0.0, neginf=0.0) if flat.dtype.kind == "f" else flat


def _features(dataset: Dataset, rows: Int[np.ndarray, " pool"], generator: np.random.Generator) -> np.ndarray:
    """Observations side by side, `[row, entry]`, standardised."""
    parts = []
    for _, space, array in observations(dataset.spec.obs, dataset.obs):
        values = _flat(array[rows])
        if isinstance(space, Discrete | MultiDiscrete):
            counts = (space.n,) if isinstance(space, Discrete) else space.nvec
            values = np.concatenate([_apart(values[:, i], n, generator) for i, n in enumerate(counts)], axis=1)
        values = values.astype(np.float32)
        if values.shape[1] > _WIDEST:
            onto = generator.normal(size=(values.shape[1], _WIDEST // 2)).astype(np.float32)
            values = values @ (onto / np.sqrt(_WIDEST // 2))
        parts.append(values)
    seen = np.concatenate(parts, axis=1)
    std = seen.std(axis=0)
    return (seen - seen.mean(axis=0)) / np.where(std > STD_FLOOR * 1e-3, std, 1.0)


def _apart(choices: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Each choice as a corner of its own, or, of many, as a direction of its own at random: no choice lies between two."""
    if count <= _WIDEST:
        return np.eye(count, dtype=np.float32)[choices.astype(np.int64)]
    return generator.normal(size=(count, _WIDEST // 2)).astype(np.float32)[choices.astype(np.int64)]


def _neighbours(seen: Float[np.ndarray, "pool entry"], anchors: Int[np.ndarray, " anchor"]) -> tuple:
    """The nearest `NEIGHBOURS` rows of each anchor, itself among them, and its mean distance to them."""
    squares = (seen**2).sum(axis=1)
    nearest, far = [], []
    for begin in range(0, len(anchors), 100):
        some = seen[anchors[begin : begin + 100]]
        distance = np.maximum((some**2).sum(axis=1)[:, None] + squares - 2 * some @ seen.T, 0.0)
        chosen = np.argpartition(distance, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        nearest.append(chosen)
        far.append(np.sqrt(np.take_along_axis(distance, chosen, axis=1)).mean(axis=1))
    return np.concatenate(nearest), np.concatenate(far)
