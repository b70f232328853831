"""ExPLORe: prior rows are labelled with what is predicted and hoped for, never with what they bring."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.explore import explore

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
SIZES = {"width": 4, "depth": 1, "batch": 6, "members": 2, "updates": 2, "capacity": 8}


def batch_of(**settings: Any) -> tuple[Batch, dict[str, Any]]:
    """One batch of the critic's, of prior rows that bring a reward of NaN and a termination each; and the parts."""
    algorithm = explore(**SIZES, **settings).build(SPEC)
    keys = jax.random.split(jax.random.key(0), 8)
    parts: dict[str, Any] = {
        name: algorithm.parts[name](key)  # type: ignore
        for name, key in zip(("reward", "ending", "novelty", "replay"), keys, strict=False)
    }
    draw = lambda key, *shape: jax.random.normal(key, (7, *shape))  # noqa: E731
    rows = Batch(obs=draw(keys[5], 2), next_obs=draw(keys[6], 2), action=jnp.tanh(draw(keys[7], 1)), reward=jnp.ones(7),
                 terminated=jnp.zeros(7, bool), truncated=jnp.zeros(7, bool), valid=jnp.ones(7, bool),
                 duration=jnp.ones(7, jnp.int32), episode_id=jnp.zeros(7, jnp.int32))  # fmt: skip
    parts["replay"] = parts["replay"].add(rows)
    parts["data"] = rows.replace(reward=jnp.full(7, jnp.nan), terminated=jnp.ones(7, bool))
    fit = next(s for s in algorithm.stages[-1].cycle if isinstance(s, Fit) and "critic" in s.trains)
    ticket = jax.tree.map(lambda x: x[0], fit.batches.plan(parts, keys[4], 1))
    return fit.batches.take(parts, ticket, keys[4])[0], parts


@pytest.mark.parametrize("prior", ["optimistic", "predicted"])
def test_prior_rows_are_hoped_of_and_lived_ones_keep_their_reward(prior: str) -> None:
    batch, parts = batch_of(prior=prior, bonus=3.0, cost=0.25, discount=0.9)
    old = jax.tree.map(lambda x: x[:3], batch)
    wanted = jax.vmap(parts["reward"])(old.obs, old.action)[:, 0] - 0.25
    if prior == "optimistic":
        hope = 3.0 * jax.vmap(parts["novelty"])(old.obs, old.action)
        assert (hope > 0).all()
        wanted += hope
    np.testing.assert_allclose(old.reward, wanted, rtol=1e-5)
    over = jax.nn.sigmoid(jax.vmap(parts["ending"])(old.obs, old.action)[:, 0])
    np.testing.assert_allclose(old.discount, 0.9 * (1 - over), rtol=1e-5)
    np.testing.assert_allclose(batch.reward[3:], 0.75)  # 1, less the cost
    np.testing.assert_allclose(batch.discount[3:], 0.9)


def test_without_the_data_a_whole_batch_is_lived() -> None:
    batch, _ = batch_of(prior="unused", discount=0.9)
    np.testing.assert_array_equal(batch.reward, np.ones(6))
    trained = {name for step in explore(prior="unused", **SIZES).build(SPEC).stages[-1].cycle
               if isinstance(step, Fit) for name in step.trains}  # fmt: skip
    assert trained == {"critic", "actor", "log_alpha"}


def test_models_learn_from_what_is_lived_and_novelty_from_the_newest_alone() -> None:
    fits = [step for step in explore(**SIZES).build(SPEC).stages[-1].cycle if isinstance(step, Fit)]
    reads = {name: fit.batches.reads for fit in fits for name in fit.trains}
    assert reads["novelty"] == ("lived",) and reads["reward"] == reads["ending"] == ("replay",)
    assert set(reads["critic"]) == {"data", "replay"}
