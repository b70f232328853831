"""Measuring a policy: the numbers of its held-out episodes, and refusals where it does not fit."""

import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import PolicyError, SettingError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.evaluate.episodes import check_policy_fits, evaluate_policy
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless, Random
from pilothouse.rollout.episodes import traced_episodes
from pilothouse.statistics import interquartile_mean, mean_interval
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.resolve import environment_source, world_source
from pilothouse.train.sources import WorldSource


class Push(Memoryless):
    """Always the same torque; knows its spec."""

    torque: Any
    spec: Spec = eqx.field(static=True)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.full((1,), self.torque), carry, {}


PENDULUM = world_source("pendulum")


def test_numbers_are_those_of_the_held_out_episodes() -> None:
    policy = Push(1.0, PENDULUM.spec)
    found = evaluate_policy(policy, PENDULUM, episodes=5, name="push")
    expected = traced_episodes(policy, PENDULUM.world, jax.random.key(HELD_OUT), episodes=5, longest=200).returns
    np.testing.assert_allclose(found.returns, expected, rtol=1e-5)
    returns = np.array(found.returns)
    assert (found.policy, found.env, found.episodes, found.success) == ("push", "pendulum", 5, None)
    assert found.mean == pytest.approx(returns.mean()) and found.iqm == pytest.approx(interquartile_mean(returns))
    assert found.as_json()["interval"] == mean_interval(returns).to_json()
    low, high = found.as_json()["interval"]
    assert low <= found.mean <= high
    assert f"{found.mean:.4g}" in str(found) and "5 episodes" in str(found)
    other = evaluate_policy(policy, PENDULUM, episodes=5, seed=1)
    assert other.returns != found.returns
    assert evaluate_policy(policy, PENDULUM, episodes=5).returns == found.returns


def test_simulators_are_reset_with_seeds_of_their_own_and_give_the_same_again() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    simulator = environment_source("Pendulum-v1")
    found = evaluate_policy(Push(1.0, simulator.spec), simulator, episodes=2)
    for episode, total in enumerate(found.returns):
        env, rewards, over = gymnasium.make("Pendulum-v1"), [], False
        env.reset(seed=HELD_OUT + episode)
        while not over:
            _, reward, terminated, truncated, _ = env.step(np.array([1.0], np.float32))
            rewards.append(float(reward))
            over = terminated or truncated
        env.close()
        assert total == pytest.approx(sum(rewards), rel=1e-5)


def test_random_stands_for_its_policy_and_text_has_a_share_of_successes() -> None:
    cartpole = world_source("cartpole")
    word = evaluate_policy("random", cartpole, episodes=3)
    assert word.policy == "random"
    assert word.returns == evaluate_policy(Random(cartpole.spec.action), cartpole, episodes=3).returns
    text = evaluate_policy(Nines(), world_source("arithmetic"), episodes=8)
    assert text.success == np.mean(np.array(text.returns) > 0)


class Nines(Memoryless):
    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.int32(9), carry, {}


class Nowhere(eqx.Module):
    """A world of which only the spec is asked."""

    spec: Spec = eqx.field(static=True)

    def reset(self, task: Any, key: Any) -> Any: ...

    def step(self, state: Any, action: Any, key: Any) -> Any: ...


def place(spec: Spec) -> WorldSource:
    return WorldSource("there", Nowhere(spec))


BOX, CHOICE = Box((2,)), Discrete(3)


def named(**spaces: Any) -> DictSpace:
    return DictSpace.of(spaces)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (Spec(Box((3,)), CHOICE), Spec(BOX, CHOICE)),
        (Spec(Box((2,), 0.0, 255.0, "uint8"), CHOICE), Spec(BOX, CHOICE)),
        (Spec(BOX, Discrete(4)), Spec(BOX, CHOICE)),
        (Spec(BOX, BOX), Spec(BOX, CHOICE)),
        (Spec(BOX, MultiDiscrete((2, 3))), Spec(BOX, MultiDiscrete((2, 4)))),
        (Spec(BOX, Box((2,), -1.0, 1.0)), Spec(BOX, Box((2,), -2.0, 2.0))),
        (Spec(BOX, Box((2,), -1.0, 1.0)), Spec(BOX, Box((2,), (-1.0, -2.0), 1.0))),
        (Spec(named(a=BOX), CHOICE), Spec(named(a=Box((3,))), CHOICE)),
        (Spec(named(a=BOX), CHOICE), Spec(named(b=BOX), CHOICE)),
        (Spec(BOX, named(a=CHOICE)), Spec(BOX, named(a=Discrete(2)))),
    ],
    ids=range(10),
)
def test_a_policy_of_other_spaces_is_refused_in_one_line(theirs: Spec, ours: Spec) -> None:
    with pytest.raises(SpaceError, match="there shows .* and takes") as refused:
        check_policy_fits(Push(0.0, theirs), place(ours))
    assert "\n" not in str(refused.value)


def test_bounds_of_observations_may_differ_and_who_has_no_spec_is_believed() -> None:
    tight, loose = Spec(Box((2,), -1.0, 1.0), CHOICE), Spec(BOX, CHOICE)
    check_policy_fits(Push(0.0, tight), place(loose))
    check_policy_fits(Random(Discrete(9)), place(loose))
    # One bound for all entries, or the same one spelled out for each.
    check_policy_fits(Push(0.0, Spec(BOX, Box((2,), -1.0, 1.0))), place(Spec(BOX, Box((2,), (-1.0, -1.0), (1.0, 1.0)))))


@pytest.mark.parametrize("given", [{"episodes": 0}, {"episodes": -3}, {"seed": -1}])
def test_numbers_that_cannot_be_are_refused(given: dict[str, int]) -> None:
    name, value = next(iter(given.items()))
    with pytest.raises(SettingError, match=f"{name}={value}"):
        evaluate_policy("random", PENDULUM, **given)


class HostPush(HostPolicy):
    """The same push, by a policy that cannot be traced."""

    def __init__(self, torque: float, spec: Spec):
        self.torque, self.spec, self.name = torque, spec, "push.onnx"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        return np.full((len(obs), 1), self.torque), carry, {}


def test_a_host_policy_is_measured_as_its_traced_twin_in_a_simulator() -> None:
    simulator = environment_source("Pendulum-v1")
    ours = evaluate_policy(Push(1.0, simulator.spec), simulator, episodes=2)
    theirs = evaluate_policy(HostPush(1.0, simulator.spec), simulator, episodes=2)
    assert theirs.returns == ours.returns and theirs.notes == ()


def test_a_host_policy_is_measured_in_a_world_too_and_its_clipped_actions_are_counted() -> None:
    found = evaluate_policy(HostPush(3.0, PENDULUM.spec), PENDULUM, episodes=3, name="push.onnx")
    assert evaluate_policy(HostPush(2.0, PENDULUM.spec), PENDULUM, episodes=3).returns == found.returns
    assert found.notes == ("600 of 600 actions of push.onnx (100.0%) lay beyond the bounds and were clipped.",)
    assert "note: 600 of 600" in str(found) and found.as_json()["notes"] == list(found.notes)
    # They are the episodes that a traced policy is measured on.
    twin = evaluate_policy(Push(2.0, PENDULUM.spec), PENDULUM, episodes=3)
    np.testing.assert_allclose(found.returns, twin.returns, rtol=1e-4)
    with pytest.raises(SpaceError, match="push|policy"):
        evaluate_policy(HostPush(1.0, CARTPOLE.spec), PENDULUM, episodes=1)


CARTPOLE = world_source("cartpole")


def test_returns_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(PolicyError, match="2 of 2 returns of lost in pendulum are NaN"):
        evaluate_policy(Push(float("nan"), PENDULUM.spec), PENDULUM, episodes=2, name="lost")


def test_episodes_that_do_not_end_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[evaluate_policy.__module__], "LONGEST", 5)
    simulator = environment_source("Pendulum-v1")
    found = evaluate_policy(Push(1.0, simulator.spec), simulator, episodes=2)
    assert found.notes == ("2 of 2 episodes had not ended after 5 steps; their rewards until then are counted.",)


def test_a_policy_that_takes_long_is_said_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.rollout.actors.SLOW", 0.0)
    told: list[str] = []
    evaluate_policy(HostPush(1.0, PENDULUM.spec), PENDULUM, episodes=2, name="sleepy", tell=told.append)
    assert len(told) == 1 and told[0].startswith("sleepy takes 0.0 s to decide for 2 episodes: about 0 minutes")
