"""Descriptions: every column is what it says, and later episodes are described by the same components."""

import numpy as np

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.interrogation import described, so_far
from pilothouse.explain.watched import Watched


def seen(rows: int = 12, **extras) -> Watched:
    rng = np.random.default_rng(0)
    return Watched(
        spec=Spec(Box((3,)), Discrete(2)),
        names=("a", "b", "c"),
        obs=rng.normal(size=(rows, 3)).astype(np.float32),
        action=rng.integers(0, 2, rows),
        reward=np.arange(rows, dtype=float),
        next_obs=np.zeros((rows, 3), np.float32),
        terminated=np.zeros(rows, bool),
        truncated=np.zeros(rows, bool),
        episode=np.arange(rows) // 4,
        step=np.arange(rows) % 4,
        extras=extras,
    )


def test_rewards_so_far_begin_anew_with_each_episode() -> None:
    np.testing.assert_allclose(so_far(seen(8)), [0, 1, 3, 6, 4, 9, 15, 22])


def test_columns_are_what_they_say() -> None:
    one = seen(value=np.arange(12.0), probabilities=np.full((12, 2), 0.5) + np.array([0.25, -0.25]))
    columns = described(one, components=2).of(one)
    assert columns.shape == (12, 2 + 2 + 3 + 2)
    np.testing.assert_array_equal(columns[:, 2:4], np.eye(2)[one.action])
    np.testing.assert_array_equal(columns[:, 4:7], np.stack([one.step, one.reward, so_far(one)], axis=1))
    np.testing.assert_array_equal(columns[:, 7:], np.stack([np.arange(12.0), np.full(12, 0.75)], axis=1))
    part = one.rows(one.episode > 0)
    np.testing.assert_allclose(described(one).of(part)[:, :2], columns[4:, :2])
