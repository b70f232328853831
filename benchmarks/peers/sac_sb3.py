"""SAC on HalfCheetah-v5 by Stable-Baselines3 or, with `--library sbx`, by SBX; `--block 32` collects and updates by 32."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve

WIDTHS = [256, 256]
BATCH = 256


class SACWorker:
    """A unit is one environment step, with one gradient step for it."""

    def __init__(self, library: str, block: int):
        if library == "sbx":
            from sbx import SAC
        else:
            from stable_baselines3 import SAC
        self.library, self.block = library, block
        self.model = SAC(
            "MlpPolicy",
            "HalfCheetah-v5",
            batch_size=BATCH,
            train_freq=block,
            gradient_steps=block,
            learning_starts=BATCH,
            policy_kwargs={"net_arch": WIDTHS},
            device="cpu",
            seed=0,
        )

    def warm_up(self) -> None:
        self.run(BATCH + 8 * self.block)

    def run(self, count: int) -> int:
        before = self.model.num_timesteps
        self.model.learn(count, reset_num_timesteps=False)
        return self.model.num_timesteps - before

    def facts(self) -> dict[str, Any]:
        import torch

        facts = {"widths": WIDTHS, "batch": BATCH, "block": self.block, "lag": 0}
        return facts if self.library == "sbx" else facts | {"torch_threads": torch.get_num_threads()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", choices=["sb3", "sbx"], default="sb3")
    parser.add_argument("--block", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0 leaves its default")
    options = parser.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    packages = ("sbx-rl", "jax", "flax") if options.library == "sbx" else ("stable-baselines3", "torch")
    serve(lambda: SACWorker(options.library, options.block), *packages, "gymnasium", "mujoco", "numpy")


if __name__ == "__main__":
    main()
