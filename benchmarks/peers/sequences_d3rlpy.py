"""Updates of the decision transformer by d3rlpy, on synthetic data."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve
from synthetic import ACTIONS, OBSERVATIONS, SEQUENCES, transitions


class SequencesWorker:
    """A unit is one update: stretches drawn from the data, then the transformer."""

    def __init__(self) -> None:
        import d3rlpy
        from d3rlpy.models.encoders import VectorEncoderFactory

        d3rlpy.seed(0)
        rate = SEQUENCES["dropout"]
        self.algorithm = d3rlpy.algos.DecisionTransformerConfig(
            batch_size=SEQUENCES["batch"],
            context_size=SEQUENCES["length"],
            max_timestep=1000,
            num_layers=SEQUENCES["layers"],
            num_heads=SEQUENCES["heads"],
            attn_dropout=rate,
            resid_dropout=rate,
            embed_dropout=rate,
            encoder_factory=VectorEncoderFactory(hidden_units=[SEQUENCES["width"]], exclude_last_activation=True),
        ).create(device="cpu")
        data = transitions()
        self.data = d3rlpy.dataset.MDPDataset(
            observations=data["obs"],
            actions=data["action"],
            rewards=data["reward"],
            terminals=data["terminated"].astype(np.float32),
            timeouts=data["truncated"].astype(np.float32),
        )

    def warm_up(self) -> None:
        self.run(5)

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
        return {"settings": SEQUENCES, "torch_threads": torch.get_num_threads()} | sizes


if __name__ == "__main__":
    serve(SequencesWorker, "d3rlpy", "torch", "numpy", "gymnasium")
