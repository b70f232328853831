"""What the driver and a worker say to each other. Standard library only: it runs in every peer's environment.

A worker is a child process that does one kind of work, ours or a peer's. It speaks lines of JSON on its standard output:

    worker  {"ready": true, "start_seconds": 4.1, "warm_up_seconds": 2.7, "versions": {…}, "facts": {…}}
    driver  run 1000
    worker  {"count": 1000, "seconds": 7.6}
    driver  quit

Between two commands a worker waits for its standard input and does nothing, so that ours and a peer can alternate on the
same cores. Whatever a library prints goes to standard error.
"""

import importlib.metadata
import json
import os
import platform
import sys
import time
from typing import Any, Protocol


class Worker(Protocol):
    """One kind of work. Constructing it builds everything; `warm_up` compiles it."""

    def warm_up(self) -> None:
        """Does the work once or a few times, with the shapes of `run`: what is compiled or filled is so afterwards."""
        ...

    def run(self, count: int) -> int:
        """Does `count` units of work (steps, updates, calls) and waits until they are done.

        Returns the units that were done, at least `count`: work that comes in whole iterations is rounded up.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What a reader of the figure must know: widths, batch, block, threads, and the fixed `lag` of acting, in blocks."""
        ...


class Scaled(Protocol):
    """A worker that measures in its own way: `timed(count)` returns (units done, seconds that they take)."""

    def timed(self, count: int) -> tuple[int, float]: ...


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of the named packages."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def measure(worker: Any, count: int) -> dict[str, Any]:
    """One round: the units done and the seconds that they took."""
    if hasattr(worker, "timed"):
        done, seconds = worker.timed(count)
    else:
        started = time.perf_counter()
        done = worker.run(count)
        seconds = time.perf_counter() - started
    return {"count": done, "seconds": seconds}


def serve(make: Any, *packages: str) -> None:
    """Makes the worker, warms it up, and answers the driver until it says quit or goes away.

    `make` is called with no arguments and returns a `Worker`; `packages` are those whose versions matter.
    """
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    started = time.perf_counter()
    worker = make()
    made = time.perf_counter()
    worker.warm_up()
    warm = time.perf_counter()
    seconds = {"start_seconds": made - started, "warm_up_seconds": warm - made}
    say({"ready": True, **seconds, "versions": versions(*packages), "facts": worker.facts()})
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "quit":
            return
        say(measure(worker, int(arguments[0])))
