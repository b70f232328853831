"""The sizes, settings and seeded batches that both sides of a comparison of losses use. NumPy only."""

from dataclasses import dataclass

import numpy as np

DISCOUNT = 0.99
EXPECTILE, SHARPNESS = 0.7, 3.0
NOISE, NOISE_CLIP, TETHER = 0.2, 0.5, 2.5
CLIP, VALUE, ENTROPY = 0.2, 0.5, 0.01
DIVERGENCE = 0.04
TEMPERATURE, DRAWS = 0.5, 3
CONSERVATIVE = 5.0
STRETCH, LONGEST, HEADS = 5, 20, 2


@dataclass(frozen=True)
class Size:
    """Networks of `width` × 2 over `obs` and `act` entries, and a batch of `batch` rows; GRPO's decoder beside it."""

    obs: int
    act: int
    width: int
    batch: int
    hidden: int
    layers: int
    feedforward: int
    prompts: int
    tries: int
    tokens: int


SIZES = {
    "tiny": Size(3, 2, 8, 16, hidden=16, layers=2, feedforward=16, prompts=2, tries=4, tokens=12),
    "full": Size(17, 6, 256, 256, hidden=128, layers=4, feedforward=512, prompts=8, tries=8, tokens=32),
}


def transition_batch(size: Size, seed: int = 0) -> dict[str, np.ndarray]:
    """Float32 rows; the first eighth ended in a termination, the next one at a time limit, which still bootstraps."""
    draw = np.random.default_rng(seed)
    rows, eighth = size.batch, size.batch // 8
    ended = np.arange(rows)
    return {
        "obs": draw.standard_normal((rows, size.obs)).astype(np.float32),
        "action": draw.uniform(-0.95, 0.95, (rows, size.act)).astype(np.float32),
        "reward": draw.standard_normal(rows).astype(np.float32),
        "next_obs": draw.standard_normal((rows, size.obs)).astype(np.float32),
        "terminated": ended < eighth,
        "truncated": (ended >= eighth) & (ended < 2 * eighth),
    }


def rollout_batch(size: Size, seed: int = 0) -> dict[str, np.ndarray]:
    """What a PPO minibatch holds; the old log-probabilities are left to the peer, who knows its policy."""
    draw = np.random.default_rng(seed)
    return {
        "obs": draw.standard_normal((size.batch, size.obs)).astype(np.float32),
        "action": draw.standard_normal((size.batch, size.act)).astype(np.float32),
        "advantage": (2 + 3 * draw.standard_normal(size.batch)).astype(np.float32),
        "return_": draw.standard_normal(size.batch).astype(np.float32),
        "log_prob_shift": (0.3 * draw.standard_normal(size.batch)).astype(np.float32),
    }


def stretch_batch(size: Size, seed: int = 0) -> dict[str, np.ndarray]:
    """At most 64 stretches of episodes, `(rows, STRETCH, …)`; half are padded in front by one step, at different places."""
    draw, rows = np.random.default_rng(seed), min(size.batch, 64)
    shape = (rows, STRETCH)
    valid = np.ones(shape, bool)
    valid[: rows // 2, 0] = False
    step = draw.integers(0, LONGEST - STRETCH, rows)[:, None] + np.arange(STRETCH)
    return {
        "obs": draw.standard_normal((*shape, size.obs)).astype(np.float32),
        "action": draw.uniform(-0.95, 0.95, (*shape, size.act)).astype(np.float32),
        "return_to_go": draw.standard_normal(shape).astype(np.float32),
        "reward": np.zeros(shape, np.float32),
        "step": np.where(valid, step, 0).astype(np.int32),
        "valid": valid,
    }
