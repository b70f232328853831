"""PPO on CartPole: the JAX world, or with `--vectors` Gymnasium's vectors."""

import argparse

from engine import PACKAGES, EngineWorker
from protocol import serve


def make(vectors: bool) -> EngineWorker:
    from pilothouse.train.resolve import environment_source, world_source

    settings = {"length": 128, "epochs": 4, "minibatches": 4, "width": 64, "depth": 2}
    source = environment_source("CartPole-v1", environments=8) if vectors else world_source("cartpole", environments=8)
    facts = {"environments": 8, "source": "Gymnasium vectors" if vectors else "JAX world", "lag": 0}
    return EngineWorker("ppo", source, settings, facts, unit="env_steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", action="store_true")
    options = parser.parse_args()
    serve(lambda: make(options.vectors), *PACKAGES)
