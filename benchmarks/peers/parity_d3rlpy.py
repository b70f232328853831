"""IQL, TD3+BC and BC by d3rlpy for the parity of returns: learns one seed and writes its actor's dense layers.

    peers/parity_d3rlpy.py learn METHOD SEED STEPS FOLDER FILE

Its settings are ours: batch, widths, learning rate, and observations standardised by the dataset's own moments. BC is
its deterministic one, a squared error, since its stochastic one fits draws; ours is the likelihood of a Gaussian.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import BATCH, WIDTHS

LR = 3e-4


def algorithm(method: str, scaler: Any) -> Any:
    import d3rlpy
    from d3rlpy.models.encoders import VectorEncoderFactory

    encoder = VectorEncoderFactory(hidden_units=WIDTHS, activation="relu")
    shared = {"batch_size": BATCH, "observation_scaler": scaler}
    rates = {"actor_learning_rate": LR, "critic_learning_rate": LR}
    networks = {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    if method == "bc":
        config = d3rlpy.algos.BCConfig(learning_rate=LR, encoder_factory=encoder, **shared)
    elif method == "iql":
        config = d3rlpy.algos.IQLConfig(value_encoder_factory=encoder, **networks, **rates, **shared)
    elif method == "td3bc":
        config = d3rlpy.algos.TD3PlusBCConfig(**networks, **rates, **shared)
    else:
        raise ValueError(f"method={method!r}; expected bc, iql or td3bc")
    return config.create(device="cpu")


def main(method: str, seed: int, steps: int, folder: Path, file: Path) -> None:
    import d3rlpy
    import torch
    from d3rlpy.logging import NoopAdapterFactory
    from d3rlpy.preprocessing import StandardObservationScaler

    d3rlpy.seed(seed)
    data = np.load(folder / "data.npz")
    scaler = StandardObservationScaler(mean=data["mean"], std=data["std"], eps=0.0)
    learner = algorithm(method, scaler)
    dataset = d3rlpy.dataset.MDPDataset(
        observations=data["obs"],
        actions=data["action"],
        rewards=data["reward"],
        terminals=data["terminated"].astype(np.float32),
        timeouts=data["truncated"].astype(np.float32),
    )
    learner.fit(
        dataset, n_steps=steps, n_steps_per_epoch=steps, show_progress=False, logger_adapter=NoopAdapterFactory()
    )
    found = {"steps": np.asarray(learner.grad_step), "mean": data["mean"], "std": data["std"]}
    dense = [layer for layer in learner.impl.policy.modules() if isinstance(layer, torch.nn.Linear)]
    for index, layer in enumerate(dense):
        found |= {f"weight{index}": layer.weight.detach().numpy().T, f"bias{index}": layer.bias.detach().numpy()}
    np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]), Path(sys.argv[6]))
