"""Measures ours beside a peer, alternating, and writes `benchmarks/results/<row>.json` and the table of the README.

    python benchmarks/run.py [ROW …]
    python benchmarks/run.py --list | --table

Both sides are child processes that are alive together and work in turns: A B A B … on the same cores, the same work in
every round. Start-up and compilation are timed apart. A row that one side cannot do is reported and left as it was.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from environments import FOLDER, HERE, python_of
from rows import ROWS, Row, Side
from table import write_table
from verdict import summary

ROUNDS = 5


class Broken(RuntimeError):
    """A worker that ended before it answered."""


class Child:
    """A worker in its own process; what its libraries print goes to a log under `.bench/logs/`."""

    def __init__(self, name: str, side: Side):
        FOLDER.joinpath("logs").mkdir(parents=True, exist_ok=True)
        self.log = FOLDER / "logs" / f"{name}.txt"
        command = [str(python_of(side.environment)), str(HERE / side.script), *side.arguments]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment.setdefault("JAX_PLATFORMS", "cpu")
        # MuJoCo writes a log into the current folder, so that is not the checkout.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": FOLDER, "env": environment}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, **pipes)
        self.ready: dict[str, Any] = {}

    def start(self) -> None:
        """Waits until the worker is warm."""
        self.ready = self._read()

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Broken(f"{last[0] if last else 'it ended without a word'} (see .bench/logs/{self.log.name})")
        return json.loads(line)

    def run(self, count: int) -> dict[str, float]:
        """One round: the units done and the seconds that they took."""
        self.process.stdin.write(f"run {count}\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Asks the worker to end, and ends it if it does not."""
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def machine() -> dict[str, Any]:
    """What the figures were measured on: no name and no path, only what they depend on."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory), "load_before": os.getloadavg()[0]}


def compare(row: Row, rounds: int) -> dict[str, Any]:
    """The row's result: each side's rounds and the ratio of their speeds. Raises `Broken`."""
    about = machine()
    children: list[Child] = []
    taken: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    try:
        for name, side in (("ours", row.ours), ("peer", row.peer)):
            print(f"{row.name}: starting {name}", file=sys.stderr)
            children.append(Child(f"{row.name}-{name}", side))
            children[-1].start()
        for index in range(rounds):
            for child, into in zip(children, taken, strict=True):
                into.append(child.run(row.count))
            ours, peer = (into[-1]["count"] / into[-1]["seconds"] for into in taken)
            print(f"{row.name}: round {index + 1}: {ours:.1f} against {peer:.1f} {row.unit}s/s", file=sys.stderr)
    finally:
        for child in children:
            child.close()
    sides = [child.ready | {"rounds": into} for child, into in zip(children, taken, strict=True)]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return summary(row, *sides) | {"machine": about, "date": today}


def measure(rows: list[Row], rounds: int) -> int:
    """Measures and stores each row; returns how many could not be measured."""
    broken = 0
    for row in rows:
        try:
            result = compare(row, row.rounds or rounds)
        except (Broken, BrokenPipeError) as fault:
            print(f"{row.name}: not measured: {fault}", file=sys.stderr)
            broken += 1
            continue
        results = HERE / "results"
        results.mkdir(exist_ok=True)
        (results / f"{row.name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        print(result["sentence"])
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures ours beside the peers, alternating.")
    parser.add_argument("row", nargs="*", help="names of rows; all if none is given")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each side, at least {ROUNDS}")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    options = parser.parse_args()
    known = {row.name: row for row in ROWS}
    if options.list:
        print("\n".join(known))
        return 0
    if unknown := [name for name in options.row if name not in known]:
        print(f"error: no row {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.row] or list(ROWS)
    broken = 0 if options.table else measure(chosen, max(options.rounds, ROUNDS))
    write_table()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
