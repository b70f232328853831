"""The numbers that describe a dataset at a glance."""

import numpy as np

from pilothouse.core.spaces import Box, unit_action
from pilothouse.data.dataset import Dataset, observations

SATURATED = 0.99
"""An action this close to its bound, as a share of the half range, counts as saturated."""


def summarise(dataset: Dataset) -> dict[str, float | int]:
    """Counts, returns (undiscounted, per episode), lengths, endings, rewards and how actions sit in their bounds.

    - `unfinished`: episodes whose last row neither terminated nor was truncated.
    - `terminated`, `truncated`: rows so marked.
    - `action_saturation`: share of bounded real action entries at 99% of the half range or beyond; 0 without such.
    - `actions_out_of_bounds`: rows with an entry outside its bounds (they are clipped in training).
    - `nonfinite`: NaN or infinite numbers; 0 in any dataset that this library has read.

    **Raises:** `DataError` where some rows lack their reward or action.
    """
    dataset.require("a summary")
    returns, lengths = dataset.returns, dataset.lengths
    last = dataset.starts + lengths - 1
    quantiles = np.quantile(returns, [0, 0.25, 0.5, 0.75, 1])
    saturation, outside = _bounds(dataset)
    return {
        "episodes": dataset.episodes,
        "transitions": len(dataset),
        "return_mean": float(returns.mean()),
        "return_std": float(returns.std()),
        **{
            f"return_{name}": float(value)
            for name, value in zip(("min", "q25", "median", "q75", "max"), quantiles, strict=True)
        },
        "length_mean": float(lengths.mean()),
        "length_min": int(lengths.min()),
        "length_max": int(lengths.max()),
        "terminated": int(dataset.terminated.sum()),
        "truncated": int(dataset.truncated.sum()),
        "unfinished": int((~(dataset.terminated | dataset.truncated))[last].sum()),
        "reward_min": float(dataset.reward.min()),
        "reward_mean": float(dataset.reward.mean(dtype=np.float64)),
        "reward_max": float(dataset.reward.max()),
        "action_saturation": saturation,
        "actions_out_of_bounds": outside,
        "nonfinite": _nonfinite(dataset),
    }


def _bounds(dataset: Dataset) -> tuple[float, int]:
    saturated, entries, outside = 0, 0, np.zeros(len(dataset), bool)
    for _, space, array in observations(dataset.spec.action, dataset.action):
        if not isinstance(space, Box) or unit_action(space) == Box(space.shape) or space.dtype != "float32":
            continue
        low, high = space.bounds()
        values = array.astype(np.float32)  # as the bounds: 0.4 recorded in float32 is no more than 0.4
        outside |= ((values < low) | (values > high)).reshape(len(dataset), -1).any(axis=1)
        if space.bounded:
            half = (high - low) / 2
            saturated += int((np.abs(values - (low + half)) >= SATURATED * half).sum())
            entries += values.size
    return (saturated / entries if entries else 0.0), int(outside.sum())


def _nonfinite(dataset: Dataset) -> int:
    leaves = [array for _, _, array in observations(dataset.spec.obs, dataset.obs)]
    leaves += [array for _, _, array in observations(dataset.spec.obs, dataset.next_obs)]
    leaves += [array for _, _, array in observations(dataset.spec.action, dataset.action)] + [dataset.reward]
    return sum(int((~np.isfinite(array)).sum()) for array in leaves if array.dtype.kind == "f")
