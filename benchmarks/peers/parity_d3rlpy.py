"""IQL, TD3+BC, AWAC, CQL and BC by d3rlpy for the parity of returns: learns one seed and writes its actor's dense layers.

    peers/parity_d3rlpy.py learn METHOD SEED STEPS FOLDER FILE

Its settings are ours: batch, widths, learning rate, and observations standardised by the dataset's own moments. BC is
its deterministic one, a squared error, since its stochastic one fits draws; ours is the likelihood of a Gaussian. AWAC's
targets count no entropy, as in the paper and ours; d3rlpy's do at a temperature of 1. CQL's weight of the gap is fixed.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import BATCH, WIDTHS

LR = 3e-4
CQL_ACTOR_LR = 1e-4


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
    elif method == "awac":
        config = d3rlpy.algos.AWACConfig(**networks, **rates, **shared)
    elif method == "cql":
        slower = {"actor_learning_rate": CQL_ACTOR_LR, "temp_learning_rate": CQL_ACTOR_LR, "alpha_learning_rate": 0.0}
        config = d3rlpy.algos.CQLConfig(**networks, **rates | slower, **shared)
    else:
        raise ValueError(f"method={method!r}; expected bc, iql, td3bc, awac or cql")
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
    learner.build_with_dataset(dataset)
    if method == "awac":
        with torch.no_grad():
            next(learner.impl._modules.log_temp.parameters()).fill_(-np.inf)
    learner.fit(
        dataset, n_steps=steps, n_steps_per_epoch=steps, show_progress=False, logger_adapter=NoopAdapterFactory()
    )
    found = {"steps": np.asarray(learner.grad_step), "mean": data["mean"], "std": data["std"]}
    dense = [layer for layer in learner.impl.policy.modules() if isinstance(layer, torch.nn.Linear)]
    # A head of deviations, where there is one, comes after that of the means.
    dense = dense[: len(WIDTHS) + 1]
    for index, layer in enumerate(dense):
        found |= {f"weight{index}": layer.weight.detach().numpy().T, f"bias{index}": layer.bias.detach().numpy()}
    np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]), Path(sys.argv[6]))
