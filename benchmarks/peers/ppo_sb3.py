"""PPO on CartPole-v1 over Gymnasium vectors by Stable-Baselines3 or, with `--library sbx`, by SBX."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve

ENVIRONMENTS = 8
STEPS = 128
EPOCHS = 4
MINIBATCHES = 4
WIDTHS = [64, 64]


class PPOWorker:
    """A unit is one environment step; work comes in iterations of 8 environments by 128 steps."""

    def __init__(self, library: str):
        from stable_baselines3.common.env_util import make_vec_env

        if library == "sbx":
            from sbx import PPO
        else:
            from stable_baselines3 import PPO
        self.library = library
        self.model = PPO(
            "MlpPolicy",
            make_vec_env("CartPole-v1", n_envs=ENVIRONMENTS, seed=0),
            n_steps=STEPS,
            batch_size=ENVIRONMENTS * STEPS // MINIBATCHES,
            n_epochs=EPOCHS,
            policy_kwargs={"net_arch": WIDTHS},
            device="cpu",
            seed=0,
        )

    def warm_up(self) -> None:
        self.run(2 * ENVIRONMENTS * STEPS)

    def run(self, count: int) -> int:
        before = self.model.num_timesteps
        self.model.learn(count, reset_num_timesteps=False)
        return self.model.num_timesteps - before

    def facts(self) -> dict[str, Any]:
        import torch

        sizes = {"environments": ENVIRONMENTS, "steps": STEPS, "epochs": EPOCHS, "minibatches": MINIBATCHES}
        facts = {"widths": WIDTHS, "source": "Gymnasium vectors"} | sizes
        return facts if self.library == "sbx" else facts | {"torch_threads": torch.get_num_threads()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", choices=["sb3", "sbx"], default="sb3")
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0 leaves its default")
    options = parser.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    packages = ("sbx-rl", "jax", "flax") if options.library == "sbx" else ("stable-baselines3", "torch")
    serve(lambda: PPOWorker(options.library), *packages, "gymnasium", "numpy")


if __name__ == "__main__":
    main()
