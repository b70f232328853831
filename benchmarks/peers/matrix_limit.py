"""Not a library but this machine: the seconds that updates would take if nothing but useful products were computed.

A round measures the float32 rate of 2048³ products then and there, beside the round of ours that it is compared with.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from limit import GIGA, matrix_rate, useful_operations
from protocol import serve


class LimitWorker:
    """A unit is one update's useful operations."""

    def __init__(self, work: str):
        self.work = work
        self.operations = useful_operations(work)

    def warm_up(self) -> None:
        self.small = matrix_rate(256)

    def run(self, count: int) -> int:
        raise NotImplementedError("this worker measures by `timed`")

    def timed(self, count: int) -> tuple[int, float]:
        return count, count * self.operations / matrix_rate(2048, seconds=2.0)

    def facts(self) -> dict[str, Any]:
        return {"gflop_an_update": self.operations / GIGA, "gflops_256": round(self.small / GIGA, 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=["iql", "td3bc", "sac"], default="iql")
    options = parser.parse_args()
    serve(lambda: LimitWorker(options.work), "jax", "jaxlib")
