"""rliable's stratified bootstrap interval of the interquartile mean."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from protocol import serve
from rliable import library, metrics

RESAMPLES = 2000


class RliableWorker:
    """A unit is one interval."""

    def __init__(self, runs: int, tasks: int):
        self.scores = {"method": np.random.default_rng(0).normal(size=(runs, tasks))}

    def warm_up(self) -> None:
        self.run(1)

    def run(self, count: int) -> int:
        for _ in range(count):
            library.get_interval_estimates(
                self.scores, lambda scores: np.array([metrics.aggregate_iqm(scores)]), reps=RESAMPLES
            )
        return count

    def facts(self) -> dict[str, Any]:
        return {"resamples": RESAMPLES, "shape": list(self.scores["method"].shape)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=1)
    options = parser.parse_args()
    serve(lambda: RliableWorker(options.runs, options.tasks), "rliable", "arch", "numpy", "scipy")
