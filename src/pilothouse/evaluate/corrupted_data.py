"""Data that something has spoiled: a share of the rows with noise in their observations, actions, rewards or dynamics."""

from dataclasses import replace
from typing import Literal

import numpy as np

from pilothouse.core.errors import SettingError
from pilothouse.data.dataset import Dataset

Element = Literal["obs", "action", "reward", "next_obs"]
"""What is spoiled; `next_obs` alone is a corruption of the dynamics."""


def corrupted(dataset: Dataset, element: Element, *, share: float, scale: float, seed: int = 0) -> Dataset:
    """The dataset with one element of a random `share` of its rows spoiled, each row on its own.

    Uniform noise within `scale` standard deviations of each entry is added to observations and actions (which are then
    moved into their bounds); rewards are replaced by uniform draws within 30 times `scale`. Raises `SettingError`.

    **Source:** Yang et al., arXiv:2310.12955, appendix D.1, "random corruption".
    """
    if not 0.0 <= share <= 1.0:
        raise SettingError(f"share={share!r} of the rows was to be spoiled; expected a number between 0 and 1.")
    dataset.require("corruption")
    draw = np.random.default_rng(seed)
    hit = draw.random(len(dataset)) < share
    old = np.asarray(getattr(dataset, element))
    new = old.copy()
    if element == "reward":
        new[hit] = draw.uniform(-30 * scale, 30 * scale, int(hit.sum()))
    else:
        deviation = old.reshape(len(old), -1).std(axis=0).reshape(old.shape[1:])
        new[hit] += scale * deviation * draw.uniform(-1, 1, old[hit].shape)
    if element == "action":
        new = np.clip(new, dataset.spec.action.low, dataset.spec.action.high)  # pyright: ignore[reportAttributeAccessIssue]
    return replace(dataset, **{element: new.astype(old.dtype)}, name=f"{dataset.name}-{element}-spoiled")
