"""The data and sizes that both sides of the offline rows learn from. NumPy only: it runs in every peer's environment."""

import numpy as np

OBSERVATIONS = 17
ACTIONS = 6
BATCH = 256
WIDTHS = [256, 256]
SAMPLES = {"awac": {"samples": 1}, "cql": {"samples": 10}}
"""Actions drawn for each state where a method draws some: for CQL of each of three kinds."""
SEQUENCES = {"width": 128, "layers": 3, "heads": 1, "length": 20, "batch": 64, "dropout": 0.1}
"""Sizes of the decision transformer: the authors' for Gym."""
EPISODES = 100
EPISODE_STEPS = 1000


def transitions(seed: int = 0) -> dict[str, np.ndarray]:
    """Random episodes of 1000 steps that end at a time limit; float32, one row a step, as HalfCheetah's are shaped.

    `obs` (100000, 17), `next_obs` alike, `action` (100000, 6) in [-1, 1], `reward` (100000,), `terminated` and
    `truncated` (100000,) bool. The work of an update does not depend on what the numbers are.
    """
    generator = np.random.default_rng(seed)
    obs = generator.standard_normal((EPISODES, EPISODE_STEPS + 1, OBSERVATIONS)).astype(np.float32)
    steps = EPISODES * EPISODE_STEPS
    truncated = np.zeros((EPISODES, EPISODE_STEPS), bool)
    truncated[:, -1] = True
    return {
        "obs": obs[:, :-1].reshape(steps, OBSERVATIONS),
        "next_obs": obs[:, 1:].reshape(steps, OBSERVATIONS),
        "action": generator.uniform(-0.99, 0.99, (steps, ACTIONS)).astype(np.float32),
        "reward": generator.standard_normal(steps).astype(np.float32),
        "terminated": np.zeros(steps, bool),
        "truncated": truncated.reshape(steps),
    }
