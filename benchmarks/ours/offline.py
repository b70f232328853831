"""Offline updates through the engine, on the data that d3rlpy gets: `--method iql`, `td3bc`, `awac` or `cql`."""

import argparse

from engine import PACKAGES, EngineWorker
from protocol import serve
from synthetic import ACTIONS, BATCH, OBSERVATIONS, SAMPLES, WIDTHS, transitions


def make(method: str, width: int = WIDTHS[0], seeds: tuple[int, ...] = (0,)) -> EngineWorker:
    from pilothouse.core.spaces import Box, Spec
    from pilothouse.data.episodes import dataset_from_transitions
    from pilothouse.train.sources import DataSource

    spec = Spec(Box((OBSERVATIONS,)), Box((ACTIONS,), -1.0, 1.0))
    source = DataSource(dataset_from_transitions(transitions(), spec, name="synthetic"))
    settings = {"batch": BATCH, "width": width, "depth": len(WIDTHS), **SAMPLES.get(method, {})}
    return EngineWorker(method, source, settings, {"obs": OBSERVATIONS, "action": ACTIONS}, seeds=seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=["iql", "td3bc", *SAMPLES], default="iql")
    options = parser.parse_args()
    serve(lambda: make(options.method), *PACKAGES)
