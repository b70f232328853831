"""Offline updates by d3rlpy, on synthetic data: `--method iql`, `td3bc`, `awac` or `cql`.

CQL's weight of the gap is fixed, as ours is, and AWAC's batch is that of the other rows, not its default of 1,024.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve
from synthetic import ACTIONS, BATCH, OBSERVATIONS, SAMPLES, WIDTHS, transitions


class OfflineWorker:
    """A unit is one update: a batch drawn from the data, then every network that the method updates."""

    def __init__(self, method: str):
        import d3rlpy
        from d3rlpy.models.encoders import VectorEncoderFactory

        d3rlpy.seed(0)
        encoder = VectorEncoderFactory(hidden_units=WIDTHS, activation="relu")
        names = ("actor", "critic", "value") if method == "iql" else ("actor", "critic")
        config = {
            "iql": d3rlpy.algos.IQLConfig,
            "td3bc": d3rlpy.algos.TD3PlusBCConfig,
            "awac": d3rlpy.algos.AWACConfig,
            "cql": d3rlpy.algos.CQLConfig,
        }[method]
        encoders = {f"{name}_encoder_factory": encoder for name in names}
        self.method = method
        settings = {"n_action_samples": SAMPLES[method]["samples"]} if method in SAMPLES else {}
        settings |= {"alpha_learning_rate": 0.0} if method == "cql" else {}
        self.algorithm = config(batch_size=BATCH, **encoders, **settings).create(device="cpu")
        data = transitions()
        self.data = d3rlpy.dataset.MDPDataset(
            observations=data["obs"],
            actions=data["action"],
            rewards=data["reward"],
            terminals=data["terminated"].astype(np.float32),
            timeouts=data["truncated"].astype(np.float32),
        )

    def warm_up(self) -> None:
        self.run(10 if self.method == "cql" else 50)

    def run(self, count: int) -> int:
        from d3rlpy.logging import NoopAdapterFactory

        self.algorithm.fit(
            self.data,
            n_steps=count,
            n_steps_per_epoch=count,
            show_progress=False,
            logger_adapter=NoopAdapterFactory(),
        )
        return count

    def facts(self) -> dict[str, Any]:
        import torch

        sizes = {"obs": OBSERVATIONS, "action": ACTIONS, "transitions": self.data.transition_count}
        return {"widths": WIDTHS, "batch": BATCH, "torch_threads": torch.get_num_threads()} | sizes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=["iql", "td3bc", *SAMPLES], default="iql")
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0 leaves its default")
    options = parser.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    serve(lambda: OfflineWorker(options.method), "d3rlpy", "torch", "numpy", "gymnasium")


if __name__ == "__main__":
    main()
