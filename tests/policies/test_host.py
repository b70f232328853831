"""Policies on the host: what they do wrong is one line that names them, what they gave and what was expected."""

from typing import Any

import numpy as np
import pytest

from pilothouse.core.errors import PolicyError, SettingError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.policies.host import HostPolicy, checked_actions, decide
from pilothouse.policies.policy import Policy

SPEC = Spec(Box((2,)), Box((1,), -2.0, 2.0))


class Answers(HostPolicy):
    """Gives whatever it is told to give."""

    def __init__(self, answer: Any, spec: Spec = SPEC):
        self.answer, self.spec, self.name = answer, spec, "mine.zip"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return self.answer(obs, carry, seed)


class Counting(HostPolicy):
    """Remembers how many steps each copy has lived, and does that."""

    spec, name = SPEC, "counting"

    def begin(self, copies: int, seed: int) -> Any:
        return np.zeros(copies)

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return (carry / 10)[:, None], carry + 1, {"value": obs.sum(axis=1)}


def test_one_at_a_time_and_many_are_the_same_policy() -> None:
    import jax

    policy = Counting()
    assert isinstance(policy, Policy)
    obs, key = np.array([1.0, 2.0], np.float32), jax.random.key(0)
    carry = policy.reset(None, (), key)
    for step in range(3):
        action, carry, extra = policy(obs, carry, key)
        assert action.shape == (1,) and action == np.float32(step / 10)
        assert extra["value"] == 3.0
    action, carry = policy.act(obs)
    action, carry = policy.act(obs, carry)
    assert action == np.float32(0.1)
    with pytest.raises(SpaceError, match=r"shape \(3,\)"):
        policy.act(np.zeros(3))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            lambda obs, carry, seed: (np.zeros((3, 2)), carry, {}),
            r"shape \(3, 2\) for 3 observations; expected \(3, 1\)",
        ),
        (lambda obs, carry, seed: (np.zeros(1), carry, {}), r"shape \(1,\) for 3"),
        (lambda obs, carry, seed: (np.array([[0.0], [np.nan], [np.inf]]), carry, {}), "NaN or infinity in 2 of 3"),
        (lambda obs, carry, seed: (np.array([["a"]] * 3), carry, {}), "expected numbers"),
        (lambda obs, carry, seed: ([[1.0], [1.0, 2.0], []], carry, {}), "one list as action"),
        (lambda obs, carry, seed: (None, carry, {}), "nothing as action"),
        (lambda obs, carry, seed: np.zeros((3, 1)), r"one ndarray; expected \(action, carry, extra\)"),
        (lambda obs, carry, seed: 1 / 0, "raised ZeroDivisionError while acting: division by zero"),
    ],
    ids=range(8),
)
def test_what_cannot_be_an_action_is_refused_in_one_line(answer: Any, says: str) -> None:
    with pytest.raises(PolicyError, match=f"^mine.zip .*{says}") as refused:
        decide(Answers(answer), np.zeros((3, 2)), (), 0, 3)
    assert "\n" not in str(refused.value)


def test_errors_that_speak_for_themselves_pass() -> None:
    def refuse(obs: Any, carry: Any, seed: int) -> Any:
        raise SettingError("Say so.")

    with pytest.raises(SettingError, match=r"^Say so\.$"):
        decide(Answers(refuse), np.zeros((1, 2)), (), 0, 1)


def test_actions_beyond_the_bounds_are_clipped_and_counted_once_an_action() -> None:
    box = Box((2,), (-1.0, 0.0), (1.0, 4.0))
    action, clipped = checked_actions("p", box, np.array([[0.5, 5.0], [-3.0, 9.0], [1.0, 4.0], [1 + 1e-7, 0]]), 4)
    np.testing.assert_array_equal(action, np.array([[0.5, 4.0], [-1.0, 4.0], [1.0, 4.0], [1.0, 0.0]], np.float32))
    assert (clipped, action.dtype) == (2, np.float32)


@pytest.mark.parametrize("wrong", [[0, 3], [-1, 2], [0.0, 1.0], [[0], [1]]])
def test_choices_that_do_not_exist_are_refused(wrong: Any) -> None:
    assert checked_actions("p", Discrete(3), np.array([0, 2]), 2)[0].dtype == np.int32
    with pytest.raises(PolicyError):
        checked_actions("p", Discrete(3), np.array(wrong), 2)


def test_several_choices_and_named_actions_are_checked_each() -> None:
    several = MultiDiscrete((2, 5))
    checked_actions("p", several, np.array([[1, 4]]), 1)
    with pytest.raises(PolicyError, match=r"the action \[2, 4\]; expected choices from 0 to \[1, 4\]"):
        checked_actions("p", several, np.array([[2, 4]]), 1)
    both = DictSpace.of({"arm": Box((1,), -1.0, 1.0), "gear": Discrete(2)})
    action, clipped = checked_actions("p", both, {"arm": np.array([[3.0]]), "gear": np.array([1])}, 1)
    assert (action["arm"].item(), action["gear"].item(), clipped) == (1.0, 1, 1)
    with pytest.raises(PolicyError, match=r"p \[gear\] gave the action 2"):
        checked_actions("p", both, {"arm": np.array([[0.0]]), "gear": np.array([2])}, 1)
    with pytest.raises(PolicyError, match=r"a dict of \['arm'\] as action; expected a dict of \['arm', 'gear'\]"):
        checked_actions("p", both, {"arm": np.array([[0.0]])}, 1)
