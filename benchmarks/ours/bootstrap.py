"""Our stratified bootstrap interval of the interquartile mean."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from protocol import serve

from pilothouse.statistics import interquartile_mean, stratified_bootstrap_interval

RESAMPLES = 2000


class BootstrapWorker:
    """A unit is one interval."""

    def __init__(self, runs: int, tasks: int):
        self.scores = np.random.default_rng(0).normal(size=(runs, tasks))

    def warm_up(self) -> None:
        self.run(2)

    def run(self, count: int) -> int:
        for seed in range(count):
            stratified_bootstrap_interval(self.scores, interquartile_mean, resamples=RESAMPLES, seed=seed)
        return count

    def facts(self) -> dict[str, Any]:
        return {"resamples": RESAMPLES, "shape": list(self.scores.shape)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=1)
    options = parser.parse_args()
    serve(lambda: BootstrapWorker(options.runs, options.tasks), "pilothouse", "numpy", "scipy")
