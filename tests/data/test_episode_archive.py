"""The archive of best episodes and commands with hindsight, by hand and against a slow twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.episode_archive import EpisodeArchive, Obeyed, episode_archive, obeyed

SPEC = Spec(Box((1,)), Discrete(3))


def rollout(rewards: list[list[float]], first: int = 0) -> Batch:
    """Episodes of these rewards; an observation is 10 × the episode's number + the step."""
    steps = 3
    valid = np.array([[step < len(own) for own in rewards] for step in range(steps)])
    # What lies behind the end is junk, and must not count.
    reward = np.array([[own[step] if step < len(own) else 99.0 for own in rewards] for step in range(steps)])
    obs = 10.0 * (first + np.arange(len(rewards))) + np.arange(steps)[:, None]
    return Batch(
        obs=jnp.asarray(obs[..., None], jnp.float32), action=jnp.asarray(obs.astype(np.int32) % 3),
        reward=jnp.asarray(reward, jnp.float32), valid=jnp.asarray(valid),
    )  # fmt: skip


@pytest.fixture(scope="module")
def archive() -> EpisodeArchive:
    empty = episode_archive(SPEC, 3, 3)(jax.random.key(0))
    return empty.merge(rollout([[1, 1], [5]])).merge(rollout([[1, 2, 3], [0, 0, 0]], first=2))


def test_the_best_are_kept_best_first(archive) -> None:
    np.testing.assert_array_equal(archive.returns, [6, 5, 2])
    np.testing.assert_array_equal(archive.length, [3, 1, 2])
    np.testing.assert_array_equal(archive.obs[:, 0, 0], [20, 10, 0])
    assert archive.count == 3 and episode_archive(SPEC, 3, 3)(jax.random.key(0)).count == 0


def test_an_equal_newcomer_does_not_displace(archive) -> None:
    same = archive.merge(rollout([[2, 0], [2, 0]], first=7))
    np.testing.assert_array_equal(same.obs[:, 0, 0], [20, 10, 0])


def test_commands_that_were_obeyed(archive) -> None:
    # Episode 0 earns 1, 2, 3: from its second step 5 in 2 steps. Episode 2 earns 1, 1: from its first, 2 in 2.
    rows = obeyed(archive, jnp.array([0, 2, 1]), jnp.array([1, 0, 0]))
    np.testing.assert_array_equal(rows["command"], [[5, 2], [2, 2], [5, 1]])
    np.testing.assert_array_equal(rows.obs[:, 0], [21, 0, 10])
    np.testing.assert_array_equal(rows.action, [0, 0, 1])


def test_draws_reach_every_step_but_the_last_of_every_episode(archive) -> None:
    drawn = Obeyed("archive", 400)
    ticket = jax.tree.map(lambda x: x[0], drawn.plan({"archive": archive}, jax.random.key(1), 1))
    pairs = set(zip(np.asarray(ticket["episode"]).tolist(), np.asarray(ticket["step"]).tolist(), strict=True))
    assert pairs == {(0, 0), (0, 1), (1, 0), (2, 0)}
    rows, changes = drawn.take({"archive": archive}, ticket, jax.random.key(0))
    assert rows["command"].shape == (400, 2) and changes == {}
