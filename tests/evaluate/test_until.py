"""Evaluations that stop: right under peeking, early where there is much to see, and silent where nothing was shown."""

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.api import evaluate
from pilothouse.cli.main import main
from pilothouse.core.errors import DataError, SettingError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.evaluate.episodes import BATCH, evaluate_policy
from pilothouse.evaluate.until import Goal, goal_of
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless
from pilothouse.statistics import Interval
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.timed import outcome


class Dice(eqx.Module):
    """One step; the reward is the action's mean and a uniform number from -1 to 1."""

    horizon: int = eqx.field(static=True, default=1)

    @property
    def spec(self) -> Spec:
        return Spec(Box((1,)), Discrete(3))

    def reset(self, task: Any, key: Any) -> Any:
        return jnp.zeros(()), jnp.zeros(1)

    def step(self, state: Any, action: Any, key: Any) -> Any:
        reward = action + jax.random.uniform(key, (), minval=-1.0, maxval=1.0)
        return state, outcome(jnp.zeros(1), reward, jnp.array(True), jnp.array(1), 1)


class Says(Memoryless):
    number: int = eqx.field(static=True, default=1)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.int32(self.number), carry, {}


class HostSays(HostPolicy):
    def __init__(self, spec: Spec):
        self.spec, self.name = spec, "says.onnx"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return np.ones(len(obs), np.int64), carry, {}


PLACE = WorldSource("dice", Dice())
WITHIN = (-1.0, 3.0)


def test_a_sentence_is_read() -> None:
    assert goal_of("return > 200") == Goal("return", ">", 200.0)
    assert goal_of(" success<.5 ", precision=0.1) == Goal("success", "<", 0.5, 0.1)
    assert goal_of("return > -1.5e2", bounds=(-200, 0)).range == (-200, 0)  # type: ignore
    assert goal_of("success > 0.9").range == (0, 1)  # type: ignore
    assert goal_of() is None
    assert str(goal_of("return > 3", precision=2)) == "return > 3 and return to within 2"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"until": "return => 3"}, "expected 'return > 200'"),
        ({"until": "reward > 3"}, "expected 'return > 200'"),
        ({"until": "return > 1.2.3"}, "expected 'return > 200'"),
        ({"precision": 0.0}, "half-width above 0"),
        ({"until": "return > 3", "bounds": (5, 1)}, "lowest possible return, then the highest"),
        ({"bounds": (0, 1)}, "no goal"),
        ({"until": "success > 0.5", "bounds": (0, 1)}, "needs none"),
        ({"until": "return > 3", "level": 95}, "level"),
    ],
)
def test_other_goals_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        goal_of(**given)


def test_verdicts_of_an_interval() -> None:
    above = Goal(sign=">", value=2.0)
    assert above.verdict(Interval(2.1, 9)) == "shown" and above.verdict(Interval(0, 1.9)) == "contradicted"
    assert above.verdict(Interval(1, 3)) is None and above.verdict(Interval(-np.inf, np.inf)) is None
    below = Goal(sign="<", value=2.0)
    assert below.verdict(Interval(2.1, 9)) == "contradicted" and below.verdict(Interval(0, 1.9)) == "shown"
    near = Goal(precision=0.5)
    assert near.verdict(Interval(1, 2)) == "shown" and near.verdict(Interval(1, 2.2)) is None
    both = Goal(sign=">", value=2.0, precision=0.5)
    assert both.verdict(Interval(2.1, 9)) is None and both.verdict(Interval(2.1, 3)) == "shown"


def ever(goal: Goal, values: np.ndarray) -> str | None:
    """The verdict of whoever looks after every batch, as `evaluate_policy` does."""
    sequence = goal.sequence(values)
    looks = (goal.verdict(sequence.after(count)) for count in range(BATCH, len(values) + 1, BATCH))
    return next((verdict for verdict in looks if verdict), None)


@pytest.mark.parametrize("bounds", [(0.0, 8.0), None])
def test_at_the_border_it_is_misled_no_more_often_than_said_however_often_it_looks(bounds: Any) -> None:
    # The mean is exactly what the goal asks about: every verdict is an error, in one direction or the other.
    goal = Goal(sign=">", value=2.0, bounds=bounds, level=0.9)
    draws = (np.random.default_rng(seed).gamma(4.0, 0.5, 200).clip(0, 8) for seed in range(100))
    wrong = np.mean([ever(goal, values) is not None for values in draws])
    assert wrong <= 0.1 + 2 * np.sqrt(0.09 / 100)


@pytest.mark.parametrize("bounds", [WITHIN, None])
def test_it_stops_as_soon_as_there_is_enough_to_see(bounds: Any) -> None:
    far = evaluate_policy(Says(), PLACE, goal=goal_of("return > 0", bounds=bounds), name="one")
    near = evaluate_policy(Says(), PLACE, goal=goal_of("return > 0.8", bounds=bounds), name="one")
    assert far.settled and near.settled and far.settled.verdict == near.settled.verdict == "shown"
    # The asymptotic one says nothing before thirty episodes.
    assert far.episodes == len(far.returns) <= 2 * BATCH < near.episodes < 1000 == near.settled.budget
    assert far.interval.above(0) and near.interval.above(0.8) and near.interval.contains(1)
    assert near.returns[: far.episodes] == far.returns  # they go on, and live no episode twice
    assert len(set(near.returns)) == near.episodes


def test_a_wrong_belief_is_contradicted_and_a_close_call_is_not_shown() -> None:
    wrong = evaluate_policy(Says(), PLACE, goal=goal_of("return < 0", bounds=WITHIN))
    assert wrong.settled and wrong.settled.verdict == "contradicted"
    close = evaluate_policy(Says(), PLACE, episodes=70, goal=goal_of("return > 1", bounds=WITHIN), name="one")
    assert close.settled and close.settled.verdict == "not shown" and close.episodes == 70
    assert "return > 1: not shown after 70 of at most 70 episodes (every return lies from -1 to 3" in str(close)
    assert close.interval.contains(1)


def test_a_precision_is_reached() -> None:
    found = evaluate_policy(Says(), PLACE, goal=goal_of(precision=0.2))
    assert found.settled and found.settled.verdict == "shown" and found.interval.half_width <= 0.2
    assert 1 - 0.2 < found.mean < 1 + 0.2


def test_the_first_batch_is_the_evaluation_without_a_goal_and_the_document_says_more() -> None:
    plain = evaluate_policy(Says(), PLACE, episodes=BATCH)
    found = evaluate_policy(Says(), PLACE, goal=goal_of("return > 0.5"))
    assert found.returns[:BATCH] == plain.returns and "until" not in plain.as_json()
    said = json.loads(json.dumps(found.as_json(), allow_nan=False))["until"]
    assert (said["goal"], said["verdict"], said["budget"]) == ("return > 0.5", "shown", 1000)
    assert said["method"] == "asymptotic" and "asymptotic" in said["assumption"]
    assert said["interval"] == found.as_json()["interval"] == found.interval.to_json()


def test_a_host_policy_goes_on_in_new_episodes_too() -> None:
    ours = evaluate_policy(Says(), PLACE, goal=goal_of("return > 0", bounds=WITHIN))
    theirs = evaluate_policy(HostSays(PLACE.spec), PLACE, goal=goal_of("return > 0", bounds=WITHIN))
    np.testing.assert_allclose(theirs.returns, ours.returns, rtol=1e-6)


def test_returns_that_never_vary_show_nothing_without_bounds() -> None:
    goal = goal_of("return > 0")
    assert goal and not goal.sequence(np.ones(500)).after(500).known
    sure = goal_of("return > 0", bounds=(-1, 1))
    assert sure and sure.sequence(np.ones(500)).after(100).above(0)


def test_faults_are_one_line() -> None:
    with pytest.raises(DataError, match="Give the range that values can take"):
        evaluate_policy(Says(), PLACE, goal=goal_of("return > 0", bounds=(0.5, 1)))
    with pytest.raises(SettingError, match="has no success"):
        evaluate_policy(Says(), PLACE, goal=goal_of("success > 0.5"))


def test_as_a_user_types_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "random", "--world", "cartpole", "--until", "return < 100", "--bounds", "0", "500"]) == 0
    said = capsys.readouterr().out
    assert "return < 100: shown after 60 of at most 1000 episodes (every return lies from 0 to 500, as given" in said
    assert main(["evaluate", "random", "--world", "cartpole", "--until", "reward < 100"]) == 2
    assert "expected 'return > 200'" in capsys.readouterr().err
    task = ["--task", "tasks.jsonl", "--verifier", "exact"]
    assert main(["evaluate", "model", *task, "--until", "success > 0.5"]) == 2
    assert "go with --env or --world" in capsys.readouterr().err
    with pytest.raises(SettingError, match="no goal"):
        evaluate("random", "cartpole", bounds=(0, 500))


class Right(Memoryless):
    """Ends at once."""

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.int32(0), carry, {}


def test_success_of_text() -> None:
    found = evaluate_policy(Right(), world_source("arithmetic"), episodes=40, goal=goal_of("success < 0.9"))
    assert found.settled and found.settled.verdict == "shown" and found.success == found.mean == 0
