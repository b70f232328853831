"""SAC on HalfCheetah-v5 through the engine; `--block 32` collects and updates by 32."""

import argparse

from engine import PACKAGES, EngineWorker
from protocol import serve


def make(block: int) -> EngineWorker:
    from pilothouse.train.resolve import environment_source

    settings = {"batch": 256, "width": 256, "depth": 2, "warmup": 256, "block": block}
    source = environment_source("HalfCheetah-v5", environments=1)
    return EngineWorker("sac", source, settings, {"lag": 0}, unit="env_steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--block", type=int, default=1)
    options = parser.parse_args()
    serve(lambda: make(options.block), *PACKAGES, "mujoco")
