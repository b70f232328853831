"""SAC by Stable-Baselines3 for the parity of returns: learns one seed and writes its actor's dense layers.

peers/parity_sb3.py learn METHOD SEED STEPS FOLDER FILE
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import BATCH, WIDTHS

ENVIRONMENT = "HalfCheetah-v5"


def main(method: str, seed: int, steps: int, file: Path) -> None:
    from stable_baselines3 import SAC

    if method != "sac":
        raise ValueError(f"method={method!r}; expected sac")
    settings = {"batch_size": BATCH, "learning_starts": 1_000, "policy_kwargs": {"net_arch": WIDTHS}}
    model = SAC("MlpPolicy", ENVIRONMENT, device="cpu", seed=seed, **settings)
    model.learn(steps)
    found = {"steps": np.asarray(model.num_timesteps)}
    # The layer of the log deviation is left out: what is measured is the mode.
    layers = [layer for layer in model.actor.latent_pi if hasattr(layer, "weight")]
    for index, layer in enumerate([*layers, model.actor.mu]):
        found |= {f"weight{index}": layer.weight.detach().numpy().T, f"bias{index}": layer.bias.detach().numpy()}
    np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[6]))
