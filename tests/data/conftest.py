"""Small datasets, and a Minari root of their own for the tests of this room."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.data import Dataset, Episode, dataset_from_episodes

PLAIN = Spec(Box((3,)), Box((2,), (-1.0, -2.0), (1.0, 4.0)))


def draw(space: Space, rows: int, generator: np.random.Generator, dtype: type):
    match space:
        case DictSpace():
            return {name: draw(inner, rows, generator, dtype) for name, inner in space.items}
        case Discrete():
            return generator.integers(space.n, size=rows)
        case MultiDiscrete():
            return generator.integers(space.nvec, size=(rows, len(space.nvec)))
        case Box(dtype="float32"):
            low, high = (np.clip(bound, -3, 3) for bound in space.bounds())
            return generator.uniform(low, high, (rows, *space.shape)).astype(dtype)
        case Box():
            return generator.integers(0, space.bounds()[1] + 1, (rows, *space.shape)).astype(space.dtype)


@pytest.fixture(scope="session")
def recorded() -> Callable[..., Dataset]:
    """Makes a dataset of random episodes with these numbers of steps, each truncated at its end but the first."""

    def make(
        lengths: Sequence[int] = (4, 1, 3), spec: Spec = PLAIN, *, seed: int = 0, dtype: type = np.float64, **about
    ) -> Dataset:
        generator = np.random.default_rng(seed)
        episodes = []
        for index, steps in enumerate(lengths):
            last = np.arange(steps) == steps - 1
            episodes.append(
                Episode(
                    obs=draw(spec.obs, steps + 1, generator, dtype),
                    action=draw(spec.action, steps, generator, np.float32),
                    reward=generator.normal(size=steps),
                    terminated=last & (index == 0),
                    truncated=last & (index != 0),
                    seed=100 + index,
                )
            )
        return dataset_from_episodes(episodes, spec, **{"name": "small-v0", **about})

    return make


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    """Where Minari keeps its datasets during one test; the home folder is out of reach."""
    root = tmp_path / "minari"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root
