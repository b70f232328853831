"""Choices that say whether they are reliable: what is dealt, what is learned by, and what is known of other situations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.exemplars import deal, examples
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.evaluate.arms import learned_apart
from pilothouse.networks.exemplars import FAR, PLAIN
from pilothouse.objectives.exemplars import clone_by_exemplars
from pilothouse.policies.verified import verified
from pilothouse.recipes.explain.sdm import cloned, sdm, threshold, told


@pytest.mark.parametrize(("rows", "learned", "held"), [(8, [0, 4], [2, 6]), (3, [0, 1], [0, 2])])
def test_rows_are_dealt_evenly_and_none_twice(rows: int, learned: list[int], held: list[int]) -> None:
    spec = Spec(Box((1,)), Discrete(3))
    data = Batch(obs=jnp.arange(rows, dtype=jnp.float32)[:, None], action=jnp.arange(rows) % 3)
    parts = {
        "data": data,
        "learned": examples(spec, 2)(jax.random.key(0)),
        "held": examples(spec, 2)(jax.random.key(0)),
    }
    dealt = deal("data", "learned", "held", 2).change(parts, None, {}, jax.random.key(0))
    assert dealt["learned"].obs[:, 0].tolist() == learned and dealt["held"].obs[:, 0].tolist() == held
    counted = [*dealt["learned"].obs[dealt["learned"]["real"], 0], *dealt["held"].obs[dealt["held"]["real"], 0]]
    assert len(set(map(float, counted))) == len(counted) == min(rows, 4)
    assert (np.asarray(dealt["learned"]["similarity"]) == np.float32(PLAIN)).all()  # at first it is a softmax


def test_the_loss_by_hand() -> None:
    """Base 4, logits 2 and 0: minus the logarithms to that base of 16/17 and, at distance 1/2, of 1/5; a third counts not."""
    rows = Batch(
        obs=jnp.zeros((3, 1)),
        action=jnp.array([0, 1, 1]),
        similarity=jnp.full(3, 2.0),
        distance=jnp.array([1.0, 0.5, 1.0]),
        real=jnp.array([True, True, False]),
    )
    loss, _ = clone_by_exemplars({"classifier": lambda obs: (obs, jnp.array([2.0, 0.0]))}, rows, jax.random.key(0))
    assert float(loss) == pytest.approx((-np.log(16 / 17) - np.log(1 / 5)) / np.log(4) / 2, rel=1e-5)


SETTINGS = {"exemplars": 100, "width": 16, "vector": 4, "depth": 1, "batch": 25, "lr": 1e-2, "level": 0.9}


@pytest.fixture(scope="module")
def both() -> Any:
    """Three clusters, each with its right choice; and two of them alone, of whose third choice nothing is known."""
    draw = np.random.default_rng(0)
    right = draw.integers(3, size=600)
    obs = (3 * np.eye(3, 8)[right] + 0.5 * draw.normal(size=(600, 8))).astype(np.float32)
    two = np.where(right == 2, 1, right)
    machine = learned_apart(sdm(**SETTINGS), [cloned(obs, right), cloned(obs, two)], updates=80, seeds=[0, 0])
    return obs, right, [jax.tree.map(lambda x, lane=lane: x[lane], machine.state.parts) for lane in range(2)]


def test_reliable_where_examples_speak_for_it_and_not_where_nothing_was_seen(both: Any) -> None:
    obs, right, (parts, _) = both
    policy = verified("classifier", "support", "calibration")(parts)
    act = jax.jit(jax.vmap(lambda one: policy(one, (), jax.random.key(0))))
    choice, _, near = act(obs[:90])
    _, _, far = act(obs[:90] + 30)
    assert (np.asarray(choice) == right[:90]).mean() > 0.95 and np.asarray(near["reliable"]).mean() > 0.5
    assert not np.asarray(far["reliable"]).any() and np.asarray(far["distance"]).max() == 0.0
    np.testing.assert_allclose(far["probability"], 1 / 3, rtol=1e-5)
    # The baseline's softmax is surer there than where it was taught.
    logits = jax.vmap(parts["classifier"])(obs[:90] + 30)[1]
    assert np.asarray(jax.nn.softmax(logits)).max(axis=1).mean() > 0.9


def test_no_region_without_rows_of_every_choice(both: Any) -> None:
    _, _, (_, parts) = both
    assert float(parts["calibration"].least) == np.float32(FAR) and int(parts["calibration"].counts[2]) == 0


def test_the_baseline_threshold_and_the_shares_by_hand() -> None:
    sure, correct = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True])
    assert threshold(sure, correct, 1.0) == 0.8 and threshold(sure, correct, 0.75) == 0.6
    assert threshold(sure, ~correct, 0.9) == np.inf
    reliable, seen = np.array([True, True, False, False]), np.array([True, False, True, False])
    shares = told(reliable, np.array([True, False, True, True]), seen)
    assert shares == {
        "right": 0.5,
        "right, seen kinds": 1.0,
        "reliable, seen kinds": 0.5,
        "reliable, other kinds": 0.5,
        "accuracy, seen kinds": 1.0,
    }
    assert told(seen & ~seen, correct, seen)["right"] == 1.0
