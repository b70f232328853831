"""Opening a dataset of a million transitions that Minari wrote: for the first time, later, and by iterating its episodes.

The first opening reads the file, fingerprints it and writes the cached flat form; later ones memory-map that, and every
number is read once, as the peer reads it. The file is made once, under `.bench/`.
"""

import argparse
import os
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from environments import FOLDER
from protocol import serve

EPISODES, STEPS = 1000, 1000
ROOT, CACHE = FOLDER / "opening", FOLDER / "opening-cache"
os.environ["MINARI_DATASETS_PATH"] = str(ROOT)


def make() -> Path:
    """The folder of the dataset: 17 observations in float64, 6 actions in float32, as HalfCheetah's are shaped."""
    import minari
    import numpy as np
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    folder = ROOT / "opening-v0"
    if (folder / "data" / "metadata.json").exists():
        return folder
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    generator = np.random.default_rng(0)
    buffers = [
        EpisodeBuffer(
            id=None,
            observations=generator.normal(size=(STEPS + 1, 17)),
            actions=generator.uniform(-1, 1, (STEPS, 6)).astype(np.float32),
            rewards=list(generator.normal(size=STEPS)),
            terminations=[False] * STEPS,
            truncations=[False] * (STEPS - 1) + [True],
            infos={},
        )
        for _ in range(EPISODES)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(
            "opening-v0",
            buffers,
            observation_space=spaces.Box(-np.inf, np.inf, (17,), np.float64),
            action_space=spaces.Box(-1, 1, (6,), np.float32),
        )
    time.sleep(2.5)  # what has just been written is not entered into the cache
    return folder


class OpeningWorker:
    """A unit is one opening."""

    def __init__(self, how: str):
        self.how, self.folder = how, make()
        os.environ["PILOTHOUSE_DATA_CACHE"] = str(CACHE / how)

    def warm_up(self) -> None:
        self.timed(1)

    def _once(self) -> None:
        if self.how == "iterate":
            import minari

            for episode in minari.MinariDataset(self.folder / "data").iterate_episodes():
                episode.observations.sum(), episode.actions.sum(), episode.rewards.sum()
            return
        from pilothouse.data import read_dataset

        dataset = read_dataset(self.folder)
        dataset.obs.sum(), dataset.next_obs.sum(), dataset.action.sum(), dataset.reward.sum()

    def timed(self, count: int) -> tuple[int, float]:
        """The removal of the cache before a first opening is not part of it."""
        seconds = 0.0
        for _ in range(count):
            if self.how == "first":
                shutil.rmtree(CACHE / self.how, ignore_errors=True)
            started = time.perf_counter()
            self._once()
            seconds += time.perf_counter() - started
        return count, seconds

    def facts(self) -> dict[str, Any]:
        return {"how": self.how, "transitions": EPISODES * STEPS, "format": "hdf5"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--how", choices=("first", "later", "iterate"), required=True)
    options = parser.parse_args()
    serve(lambda: OpeningWorker(options.how), "pilothouse", "minari", "h5py")
