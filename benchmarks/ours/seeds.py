"""Eight seeds of TD3+BC: `--arrangement together` as one run of eight seeds, `apart` as eight runs, one after another."""

import argparse
from typing import Any

from engine import PACKAGES, EngineWorker
from offline import make
from protocol import serve

SEEDS = 8


class SeedsWorker:
    """A unit is one update of one seed."""

    def __init__(self, width: int, arrangement: str):
        groups = [range(SEEDS)] if arrangement == "together" else [[seed] for seed in range(SEEDS)]
        self.workers: list[EngineWorker] = [make("td3bc", width=width, seeds=tuple(group)) for group in groups]
        self.each = SEEDS // len(groups)

    def warm_up(self) -> None:
        for worker in self.workers:
            worker.warm_up()

    def run(self, count: int) -> int:
        return sum(worker.run(count // SEEDS) * self.each for worker in self.workers)

    def facts(self) -> dict[str, Any]:
        return self.workers[0].facts() | {"seeds": SEEDS}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--arrangement", choices=["together", "apart"], default="together")
    options = parser.parse_args()
    serve(lambda: SeedsWorker(options.width, options.arrangement), *PACKAGES)
