"""The mechanism: only what may change is changed, as little of it as turns the decision, and the words say so."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.prescriptions import in_words, prescribe, wanted_or_not
from pilothouse.policies.policy import Memoryless
from pilothouse.recipes.explain.prescriptive_la_framework import prescriptive_la_framework

SPEC = Spec(Box((3,)), Discrete(2))
WEIGHTS = np.array([2.0, 1.0, 0.0])


class Judge(Memoryless):
    """Says yes where 2 x0 + x1 is above 0; x2 means nothing to it."""

    def __call__(self, obs, carry, key):
        said = obs @ jnp.asarray(WEIGHTS, jnp.float32)
        chances = jnp.stack([1 / (1 + jnp.exp(said)), 1 / (1 + jnp.exp(-said))])
        return (said > 0).astype(jnp.int32), carry, {"probabilities": chances}


OBS = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def explained(actionable: str):
    return prescriptive_la_framework(actionable=actionable, cases=12).build(SPEC)(Judge(), OBS)


@pytest.fixture(scope="module")
def second():
    return explained("1,2")


def test_only_what_may_change_is_changed_and_it_turns_the_decision(second) -> None:
    assert second.validity == 1.0 and second.sanity_passed and second.actionable == ("x1", "x2")
    scale = OBS.std(axis=0)
    for case in second.cases:
        assert set(case.changes) == {"x1"}  # x0 may not, x2 would not help
        assert case.other @ WEIGHTS > 0 >= case.obs @ WEIGHTS
        # By hand: x1 has to come to -2 x0.
        assert case.other[1] - case.obs[1] == pytest.approx(-2 * case.obs[0] - case.obs[1], rel=0.02)
        assert case.distance == pytest.approx((-2 * case.obs[0] - case.obs[1]) / scale[1], rel=0.02)
        assert f"raise x1 from {case.obs[1]:.3g} to" in case.advice


def test_where_all_may_change_less_is_enough(second) -> None:
    free = explained("")
    assert free.distance < 0.7 * second.distance and free.validity == 1.0
    assert list(free.drivers)[:2] == ["x0", "x1"] and abs(free.drivers["x2"]) < 1e-6
    assert free.agreement > 0.8 and any("x0" in rule for rule in free.rules)
    assert len(json.dumps(free.as_json(), allow_nan=False)) > 100


def test_what_means_nothing_cannot_be_advised() -> None:
    found = explained("2")
    assert found.validity == 0 and not found.sanity_passed
    assert all("No change" in case.advice and case.other is not None for case in found.cases)


def test_advice_by_hand() -> None:
    said = in_words(0.2, {"a": -0.3, "b": 0.1, "c": -0.05, "d": -0.01}, {"a": (1.0, 2.0), "c": (3.0, 2.5)})
    assert said == (
        "As things are, the chance is 20%. What speaks against it most: a, c. What speaks for it: b. It would be enough "
        "to raise a from 1 to 2 and lower c from 3 to 2.5."
    )


def test_the_wanted_choice_against_the_best_other() -> None:
    two = wanted_or_not(lambda rows: np.array([[0.2, 0.5, 0.3]]), 2)
    np.testing.assert_allclose(two(np.zeros((1, 1))), [[0.5, 0.3]])


def test_faults_are_one_line() -> None:
    for wrong in ({"actionable": "7"}, {"actionable": "a"}, {"wanted": 2}):
        with pytest.raises(SettingError, match="expected one of 2 choices"):
            prescriptive_la_framework(**wrong).build(SPEC)
    everyone = np.ones((10, 3), np.float32)
    with pytest.raises(DataError, match="nobody to advise"):
        prescriptive_la_framework().build(SPEC)(Judge(), everyone)
    with pytest.raises(DataError, match="nothing can be advised"):
        prescribe(lambda rows: rows[:, :2], SPEC.obs, ("a", "b", "c"), OBS, wanted=0, actionable=np.zeros(3, bool))
