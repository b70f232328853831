"""What is asked, and what the answers say: of two stretches the better is chosen, and the disputed are asked first."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.questions import answers_store, ask, stretch_pool, stretches_of
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec

SPEC, KEY = Spec(Box((1,)), Box((1,), -1.0, 1.0)), jax.random.key(0)


def rollout(values, episodes=None) -> Batch:
    """Two steps of as many environments as values; the observation is the value throughout, the action 0."""
    obs = jnp.broadcast_to(jnp.asarray(values, jnp.float32)[None, :, None], (2, len(values), 1))
    ids = jnp.broadcast_to(jnp.arange(len(values)), (2, len(values))) if episodes is None else jnp.asarray(episodes)
    return Batch(obs=obs, action=jnp.zeros_like(obs), reward=jnp.zeros(obs.shape[:2]), episode_id=ids)


def least(rows):
    """A teacher that likes small observations."""
    return -rows.obs[..., 0]


def at_odds(obs, action):
    """Two members that disagree on stretches of 1, and on nothing else."""
    del action
    away = jnp.where(jnp.abs(obs[0] - 1.0) < 0.1, 3.0, 0.0)
    return jnp.stack([away, -away])


def asked(values, questions=32, reward=at_odds):
    rule = ask(least, questions)
    parts = {
        "rollout": rollout(values), "pool": stretch_pool(SPEC, 8, 2)(KEY),
        "answers": answers_store(SPEC, 64, 2)(KEY), "reward": reward,
    }  # fmt: skip
    return rule.change(parts, None, {}, KEY)


def test_of_two_stretches_the_one_that_scores_more_is_chosen() -> None:
    answers = asked([3.0, 1.0, 2.0])["answers"]
    assert int(answers.count) == 32
    chosen, rejected = (np.asarray(side.obs)[:32, 0, 0] for side in (answers.rows.chosen, answers.rows.rejected))
    assert (chosen <= rejected).all() and (chosen < rejected).any()


def test_what_the_members_dispute_is_asked() -> None:
    # Of eight stretches one is disputed; the teacher likes it best, so it is chosen, save against itself.
    answers = asked([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], questions=8)["answers"]
    np.testing.assert_array_equal(np.asarray(answers.rows.chosen.obs)[:8, :, 0], 1.0)
    even = asked([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 8, lambda obs, action: jnp.zeros(2))["answers"]
    assert (np.asarray(even.rows.chosen.obs)[:8, 0, 0] != 1.0).any()


def test_a_stretch_that_an_episodes_end_cuts_in_two_is_passed_over_and_of_none_nothing_is_asked() -> None:
    rows = rollout([3.0, 1.0], episodes=[[0, 1], [0, 3]])
    found = stretches_of(rows, least)
    np.testing.assert_array_equal(found.valid, [True, False])
    np.testing.assert_array_equal(found.score, [-6.0, -2.0])
    parts = {
        "rollout": rollout([3.0, 1.0], episodes=[[0, 1], [2, 3]]), "pool": stretch_pool(SPEC, 8, 2)(KEY),
        "answers": answers_store(SPEC, 64, 2)(KEY), "reward": at_odds,
    }  # fmt: skip
    written = ask(least, 4).change(parts, None, {}, KEY)
    assert int(written["pool"].count) == 0 and int(written["answers"].count) == 0
