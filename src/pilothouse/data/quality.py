"""How good a dataset is to learn from: how well it acts (TQ) and how much it has seen (SACo).

Source: Schweighofer et al., "A Dataset Perspective on Offline Reinforcement Learning", arXiv:2111.04714.
Departures: 1. pairs are counted exactly; the authors estimate the count with HyperLogLog. 2. real numbers fall into
100 equal cells between their bounds; the authors' 100 edges make 99 cells and one for the largest value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, Space
from pilothouse.data.dataset import Dataset, observations

Bounds = tuple[np.ndarray, np.ndarray]


def trajectory_quality(returns: ArrayLike, *, lowest: float, highest: float) -> float:
    """TQ: where the mean return lies between `lowest` (0) and `highest` (1).

    **Arguments:** `returns`: `[episode]`, of the dataset; `lowest`: mean return of a random policy (or the least
    known); `highest`: mean return of the best policy found online. All undiscounted, in the same unit.

    **Returns:** the quality; below 0 for data worse than random, above 1 for data better than the best known.

    **Raises:** `SettingError` unless lowest < highest; `DataError` for no returns.

    **Source:** arXiv:2111.04714, section 3.
    """
    values = np.asarray(returns, np.float64)
    if not lowest < highest:
        raise SettingError(f"The lowest return is {lowest:g} and the highest {highest:g}; expected lowest < highest.")
    if values.size == 0:
        raise DataError("No returns were given; trajectory quality needs at least one episode.")
    return float((values.mean() - lowest) / (highest - lowest))


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells that tell observations and actions apart. Datasets are comparable when counted on one grid.

    Each real number falls into one of `bins` equal cells between bounds, the outermost of which reach to infinity; with
    `bins` None real numbers are told apart exactly. Choices, pixels and masks always are.
    """

    bounds: dict[tuple[str, str], Bounds]
    bins: int | None

    @classmethod
    def over(cls, datasets: Sequence[Dataset], *, bins: int | None = 100) -> "Grid":
        """The grid whose bounds are the extremes of all these datasets together."""
        if bins is not None and not 1 <= bins <= 65535:
            raise SettingError(f"{bins!r} bins were asked for; expected 1 to 65535 (100 is usual), or None for none.")
        bounds: dict[tuple[str, str], Bounds] = {}
        for dataset in datasets:
            for key, space, array in _leaves(dataset, ("obs", "action")):
                if _is_real(space):
                    low, high = array.min(axis=0), array.max(axis=0)
                    before = bounds.get(key, (low, high))
                    bounds[key] = np.minimum(before[0], low), np.maximum(before[1], high)
        return cls(bounds, bins)

    def cells(self, dataset: Dataset, *fields: str) -> UInt8[np.ndarray, "row byte"]:
        """Each row's cell as bytes; rows are in the same cell when all bytes are equal. Fields: `obs`, `action`."""
        if "action" in fields:
            dataset.require("a grid of actions", "action")
        parts = [self._bytes(key, space, array) for key, space, array in _leaves(dataset, fields)]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def _bytes(self, key: tuple[str, str], space: Space, array: np.ndarray) -> np.ndarray:
        if _is_real(space) and self.bins is not None:
            if key not in self.bounds:
                raise DataError(f"The grid has no bounds for {key}; make it over datasets of these spaces.")
            low, high = self.bounds[key]
            width = np.where(high > low, high - low, 1.0)
            array = np.clip(np.floor((array - low) / width * self.bins), 0, self.bins - 1).astype(np.uint16)
        elif _is_real(space):
            array = array.astype(np.float64) + 0.0  # -0.0 is 0.0
        else:
            array = array.astype(np.int64) if array.dtype != np.uint8 else array
        return np.ascontiguousarray(array.reshape(len(array), -1)).view(np.uint8)


def occupancy(dataset: Dataset, grid: Grid, *fields: str) -> Int[np.ndarray, " cell"]:
    """How many rows fall into each cell that is visited at all. Fields: `obs`, `action`; by default both."""
    cells = grid.cells(dataset, *(fields or ("obs", "action")))
    whole = cells.view(np.dtype((np.void, cells.shape[1]))).reshape(-1)
    return np.unique(whole, return_counts=True)[1]


def state_action_coverage(dataset: Dataset, reference: Dataset, grid: Grid | None = None) -> float:
    """SACo: distinct (observation, action) pairs, over those of a reference such as the replay of an online run.

    **Arguments:** `grid`: what tells pairs apart, by default 100 cells a number over both datasets. To compare several
    datasets with one reference, make one grid over all of them.

    **Returns:** a ratio above 0; above 1 when the dataset has seen more than the reference.

    **Source:** arXiv:2111.04714, section 3.
    """
    if dataset.spec != reference.spec:
        raise DataError(
            f"{dataset.name!r} and {reference.name!r} have different spaces; compare data of one environment."
        )
    grid = grid or Grid.over((dataset, reference))
    return len(occupancy(dataset, grid)) / len(occupancy(reference, grid))


def occupancy_entropy(counts: Int[np.ndarray, " cell"]) -> float:
    """Entropy in nats of the visits, by plug-in; exp of it is at most the number of cells visited."""
    share: Float[np.ndarray, " cell"] = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def reward_sparsity(dataset: Dataset) -> float:
    """Share of steps without reward, averaged over episodes; in [0, 1]."""
    dataset.require("the sparsity of rewards", "reward")
    return float((np.add.reduceat((dataset.reward == 0).astype(np.float64), dataset.starts) / dataset.lengths).mean())


def quality(
    dataset: Dataset, *, lowest: float, highest: float, reference: Dataset, grid: Grid | None = None
) -> dict[str, float | int]:
    """TQ and SACo with the counts behind them: distinct pairs and observations, entropy of the visits, sparsity."""
    grid = grid or Grid.over((dataset, reference))
    pairs = occupancy(dataset, grid)
    return {
        "tq": trajectory_quality(dataset.returns, lowest=lowest, highest=highest),
        "saco": state_action_coverage(dataset, reference, grid),
        "unique_pairs": len(pairs),
        "unique_observations": len(occupancy(dataset, grid, "obs")),
        "occupancy_entropy": occupancy_entropy(pairs),
        "reward_sparsity": reward_sparsity(dataset),
    }


def _leaves(dataset: Dataset, fields: Sequence[str]):
    for field in fields:
        for entry, space, array in observations(getattr(dataset.spec, field), getattr(dataset, field)):
            yield (field, entry), space, array


def _is_real(space: Space) -> bool:
    return isinstance(space, Box) and space.dtype == "float32"
