"""A batch is an immutable mapping and a pytree whose leaves are in the order of their names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch

BATCH = Batch(reward=jnp.arange(3.0), obs={"x": jnp.zeros((3, 2))}, action=jnp.ones(3))


def test_reads_by_name_both_ways() -> None:
    assert BATCH.reward is BATCH["reward"] and list(BATCH) == ["action", "obs", "reward"] and len(BATCH) == 3
    assert repr(BATCH) == "Batch(action=float32[3], obs={'x': 'float32[3, 2]'}, reward=float32[3])"


def test_a_misspelt_field_says_what_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"no 'rewards'; it holds action, obs, reward. Did you mean 'reward'"):
        _ = BATCH.rewards
    with pytest.raises(KeyError):
        _ = BATCH["rewards"]


def test_cannot_be_changed_but_exchanged() -> None:
    with pytest.raises(AttributeError, match=r"immutable; use `batch.replace"):
        BATCH.reward = jnp.zeros(3)
    other = BATCH.replace(reward=jnp.zeros(3), cost=jnp.ones(3)).without("obs", "absent")
    assert list(other) == ["action", "cost", "reward"] and float(other.reward.sum()) == 0
    assert list(BATCH) == ["action", "obs", "reward"] and float(BATCH.reward.sum()) == 3


def test_is_a_pytree() -> None:
    doubled = jax.jit(lambda batch: jax.tree.map(lambda x: 2 * x, batch))(BATCH)
    assert isinstance(doubled, Batch)
    np.testing.assert_array_equal(doubled.reward, [0, 2, 4])
    # The order of making does not matter: one structure, one trace.
    assert jax.tree.structure(Batch(a=1, b=2)) == jax.tree.structure(Batch(b=3, a=4))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(BATCH)[0]]
    assert paths == ["['action']", "['obs']['x']", "['reward']"]
