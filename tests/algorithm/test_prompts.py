"""Groups of tasks that share a prompt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.prompts import draw_prompts
from pilothouse.core.batch import Batch

ROWS = 7
BANK = Batch(
    prompt=jnp.arange(ROWS)[:, None] * 10 + jnp.arange(4),
    prompt_length=jnp.arange(ROWS) + 1,
    answer=-(jnp.arange(ROWS)[:, None] * 10 + jnp.arange(2)),
)


@pytest.mark.parametrize(("prompts", "tries"), [(1, 1), (5, 1), (1, 4), (6, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_neighbours_share_a_whole_row_of_the_data(prompts: int, tries: int, seed: int) -> None:
    tasks = draw_prompts(prompts, tries)({"prompts": BANK}, jax.random.key(seed))
    assert tasks.prompt.shape == (prompts * tries, 4) and tasks.answer.shape == (prompts * tries, 2)
    # Every row is one of the data, with its own answer and length: row r begins with 10 r.
    row = np.asarray(tasks.prompt_length) - 1
    np.testing.assert_array_equal(tasks.prompt, np.asarray(BANK.prompt)[row])
    np.testing.assert_array_equal(tasks.answer, np.asarray(BANK.answer)[row])
    # Group by group, as advantages read them: `reshape(-1, tries)` has one prompt in each line.
    groups = row.reshape(prompts, tries)
    np.testing.assert_array_equal(groups, np.repeat(groups[:, :1], tries, axis=1))


def test_prompts_are_drawn_evenly_with_replacement_and_by_their_key() -> None:
    draws = 7000
    draw = draw_prompts(draws, 1)
    rows = np.asarray(draw({"prompts": BANK}, jax.random.key(0)).prompt_length) - 1
    share = np.bincount(rows, minlength=ROWS) / draws
    # 1/7 each; four standard errors are 4 sqrt(1/7 · 6/7 / 7000) = 0.0167
    np.testing.assert_allclose(share, 1 / ROWS, atol=0.0167)
    again, other = (draw({"prompts": BANK}, jax.random.key(seed)).prompt_length - 1 for seed in (0, 1))
    np.testing.assert_array_equal(rows, again)
    assert (rows != np.asarray(other)).any()


def test_groups_stay_together_when_one_prompt_is_drawn_twice() -> None:
    one = Batch(prompt=jnp.ones((1, 3), jnp.int32))
    tasks = draw_prompts(4, 3)({"prompts": one}, jax.random.key(0))
    np.testing.assert_array_equal(tasks.prompt, np.ones((12, 3)))


def test_the_parts_other_than_the_prompts_are_not_read() -> None:
    key = jax.random.key(3)
    alone = draw_prompts(3, 2)({"prompts": BANK}, key)
    beside = draw_prompts(3, 2)({"prompts": BANK, "policy": jnp.ones(5)}, key)
    np.testing.assert_array_equal(alone.prompt, beside.prompt)
