"""`pilothouse compare` end to end: a unit is one whole comparison, in a process of its own, compilation included.

Five methods, three seeds, 10,000 updates each at width 256, fitted Q of 10,000 updates a policy, 10 episodes each in
Hopper-v5. The data are the medium set of `pilothouse data record-suite` (`--data`), or, where that is not recorded, as
many steps of a random policy, which cost the same to learn from and less to measure.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve

METHODS = ("iql", "td3bc", "a2pr", "prdc", "idql")
STEPS, SEEDS, FITTED, EPISODES, ROWS = 10_000, 3, 10_000, 10, 200_000


class CompareWorker:
    """A unit is one comparison."""

    def __init__(self, data: str | None, share: float):
        self.program = str(Path(sys.executable).with_name("pilothouse"))
        self.share, self.place = share, tempfile.TemporaryDirectory()
        self.data = data or str(Path(self.place.name) / "random-v0")
        self.recorded = data is not None
        self.count = 0

    def warm_up(self) -> None:
        if not self.recorded:
            made = ["record", "random", "--env", "Hopper-v5", "--steps", str(ROWS), "--out", self.data]
            subprocess.run([self.program, *made, "--quiet"], check=True, stdout=sys.stderr)

    def run(self, count: int) -> int:
        for _ in range(count):
            self.count += 1
            out = Path(self.place.name) / f"out-{self.count}"
            steps, fitted = (str(max(1, int(self.share * n))) for n in (STEPS, FITTED))
            lengths = ["--steps", steps, "--seeds", str(SEEDS), "--fqe-updates", fitted, "--episodes", str(EPISODES)]
            given = ["compare", *METHODS, "--data", self.data, "--env", "Hopper-v5", *lengths, "--out", str(out)]
            # A cache of its own: the compiler's time is part of the figure.
            cache = {"JAX_COMPILATION_CACHE_DIR": str(out) + "-cache"}
            subprocess.run([self.program, *given], check=True, stdout=sys.stderr, env={**os.environ, **cache})
        return count

    def facts(self) -> dict[str, Any]:
        data = "recorded" if self.recorded else "random policy"
        return {"methods": METHODS, "seeds": SEEDS, "updates": STEPS, "fitted": FITTED, "width": 256, "data": data}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="the Hopper medium set of `pilothouse data record-suite`")
    parser.add_argument("--share", type=float, default=1.0, help="of the updates, for a look")
    options = parser.parse_args()
    serve(lambda: CompareWorker(options.data, options.share), "pilothouse", "jax")
