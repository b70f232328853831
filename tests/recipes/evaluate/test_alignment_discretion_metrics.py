"""Discretion tells whose principle wins; a share of labels that agree with the annotator would not."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.evaluate.alignment_discretion_metrics import (
    alignment_discretion_metrics,
    human,
    reward_model,
    votes_of,
)

SPEC = Spec(Box((6,)), Discrete(2))


class Last(Memoryless):
    """Chooses by the last entry alone."""

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.int32(obs[5] > obs[2]), carry, {}


def log(rows: np.ndarray, labels: np.ndarray) -> Dataset:
    obs, ends = rows.reshape(len(rows), -1).astype(np.float32), np.ones(len(rows), bool)
    about = {"obs": obs, "action": (labels < 0).astype(int), "reward": np.zeros(len(rows)), "next_obs": obs}
    return dataset_from_transitions(about | {"terminated": ends, "truncated": ~ends}, SPEC, name="labels")


@pytest.fixture(scope="module")
def labelled() -> Dataset:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(2000, 2, 3))
    return log(rows, human(rows, np.array([0, 1, 2]), draw))


def test_votes_and_labels_by_hand() -> None:
    rows = np.array([[[1.0, 0, 0], [0, 5, 0.4]], [[0.0, 0, 0.2], [0.3, 0.1, 0]]])
    votes = votes_of(rows, [lambda x, k=k: x[:, k] for k in range(3)], 0.5)
    np.testing.assert_array_equal(votes, [[1, -1, 0], [0, 0, 0]])
    draw = np.random.default_rng(0)
    many = np.repeat(rows[:1], 2000, axis=0)
    assert (human(many, np.array([1, 0, 2]), draw) == -1).mean() == pytest.approx(0.9, abs=0.02)
    assert (human(many, np.array([2, 0, 1]), draw) == 1).mean() == pytest.approx(0.9, abs=0.02)


def test_the_annotators_order_is_found_and_who_has_another_is_told_apart(labelled: Dataset) -> None:
    said = alignment_discretion_metrics().build(SPEC)(labelled, policies={"last": Last()})
    assert said["consensus"] + said["conflict"] + said["indifference"] == pytest.approx(1)
    assert said["arbitrariness/annotator"] == pytest.approx(0.1, abs=0.05)
    # It does not see the other entries, and so goes against them where its own says nothing.
    assert said["arbitrariness/last"] > 0.12
    for name, order in (("annotator", [0, 1, 2]), ("reward_model", [0, 1, 2])):
        weights = [said[f"priority/{name}/{k}"] for k in order]
        assert weights == sorted(weights, reverse=True)
    # Fails where the ranking of principles is replaced by the rate of agreement with the labels, which hides the reversal.
    assert said["discrepancy/reward_model"] == 0 and said["discrepancy/last"] >= 2 / 3


def test_principles_may_be_any_functions(labelled: Dataset) -> None:
    both = {"first": lambda x: x[:, 0], "against": lambda x: -x[:, 0]}
    said = alignment_discretion_metrics().build(SPEC)(labelled, principles=both)
    assert said["consensus"] == 0 and said["priority/annotator/first"] > 0 > said["priority/annotator/against"]


def test_a_reward_model_of_one_kind_of_label_repeats_it() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 2, 3))
    assert (reward_model(rows, np.ones(4))(rows) == 1).all()


def test_other_spaces_are_refused() -> None:
    with pytest.raises(SpaceError, match="not 3 and 2"):
        alignment_discretion_metrics().build(Spec(Box((3,)), Discrete(2)))
