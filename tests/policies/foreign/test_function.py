"""A function, or a class of functions with memory, of a user's own module."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.core.errors import PilothouseError, PolicyError, UnknownNameError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Spec
from pilothouse.evaluate.episodes import evaluate_policy
from pilothouse.policies.foreign.function import function_policy
from pilothouse.policies.host import HostPolicy
from pilothouse.rollout.actors import actor_of
from pilothouse.train.policies_from import open_policy
from pilothouse.train.resolve import environment_source, world_source

SPEC = Spec(Box((3,)), Box((1,), -2.0, 2.0))
OBS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def in_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


def asked(name: str, obs: Any = OBS, spec: Spec = SPEC) -> Any:
    policy = function_policy(f"own_policies:{name}", spec)
    return actor_of(policy, copies=len(obs), seed=0)(obs, None, 0)[0]


@pytest.mark.parametrize("name", ["swing", "plain", "many"])
def test_a_function_acts_for_every_copy(name: str) -> None:
    np.testing.assert_allclose(asked(name), np.clip(OBS[:, 2:3], -2, 2), rtol=1e-6)


def test_a_function_that_draws_is_given_another_seed_for_every_copy_and_step() -> None:
    actor = actor_of(function_policy("own_policies:drawn", SPEC), copies=4, seed=0)
    first, then = actor(OBS, None, 0)[0], actor(OBS, (), 1)[0]
    assert len(np.unique(first)) == 4 and not np.isin(first, then).any()
    np.testing.assert_array_equal(first, asked("drawn"))


def test_every_episode_has_an_object_of_its_own() -> None:
    actor = actor_of(function_policy("own_policies:Counts", SPEC), copies=2, seed=0)
    action, carry = actor(OBS[:2], None, 0)
    action, carry = actor(OBS[:2], carry, 1)
    np.testing.assert_allclose(action, [[0.02], [0.02]])
    np.testing.assert_allclose(actor(OBS[:2], None, 2)[0], [[0.01], [0.01]])


def test_what_a_function_writes_into_its_observation_is_not_seen_elsewhere() -> None:
    before = OBS.copy()
    asked("writes")
    np.testing.assert_array_equal(OBS, before)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raises", "own_policies:raises raised KeyError while acting: 'speed'"),
        ("wide", r"gave an action of shape \(2,\); expected \(1,\)"),
        ("lost", "gave NaN or infinity in 4 of 4 actions"),
        ("word", "gave one str as action"),
        ("nothing", "gave nothing as action"),
        ("two", "cannot be called with one observation.*'memory'"),
        ("third", "is int; expected a function"),
        ("NeedsMore", "cannot be made without arguments"),
        ("Silent", "cannot be called; expected __call__"),
    ],
)
def test_what_cannot_be_a_policy_is_refused_in_one_line(name: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says) as refused:
        asked(name)
    assert "\n" not in str(refused.value) and f"own_policies:{name}" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("own_policies:swng", "has no 'swng'. Did you mean 'swing'"),
        ("no_such_module:swing", "the module 'no_such_module', which cannot be imported"),
        ("own_policies:", "not of the form module:name"),
    ],
)
def test_names_that_are_not_there_are_said_with_the_nearest(given: str, says: str) -> None:
    with pytest.raises(UnknownNameError, match=says):
        function_policy(given, SPEC)


def test_a_module_that_fails_when_imported_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_at_once.py").write_text("raise RuntimeError('no\\nluck')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"cannot be imported \(RuntimeError: no luck\)") as refused:
        function_policy("breaks_at_once:x", SPEC)
    assert "\n" not in str(refused.value)


def test_choices_and_named_actions_are_taken_from_functions_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "others_choose.py").write_text(
        "def gear(obs): return 1\n"
        "def gears(obs): return [1, 2]\n"
        "def both(obs): return {'arm': [0.5], 'gear': 0}\n"
        "def half(obs): return {'arm': [0.5]}\n"
        "def fourth(obs): return 4\n"
    )
    monkeypatch.chdir(tmp_path)

    def acted(name: str, action: Any) -> Any:
        policy = function_policy(f"others_choose:{name}", Spec(SPEC.obs, action))
        return actor_of(policy, copies=4, seed=0)(OBS, None, 0)[0]

    both = DictSpace.of({"arm": Box((1,), -1.0, 1.0), "gear": Discrete(2)})
    np.testing.assert_array_equal(acted("gear", Discrete(3)), [1, 1, 1, 1])
    np.testing.assert_array_equal(acted("gears", MultiDiscrete((2, 3))), [[1, 2]] * 4)
    assert {name: part.shape for name, part in acted("both", both).items()} == {"arm": (4, 1), "gear": (4,)}
    with pytest.raises(PolicyError, match=r"a dict of \['arm'\] as action"):
        acted("half", both)
    with pytest.raises(PolicyError, match="the action 4; expected choices from 0 to 2"):
        acted("fourth", Discrete(3))


def test_a_function_is_measured_in_simulators_and_worlds_and_what_it_does_amiss_is_counted() -> None:
    found = evaluate_policy(open_policy("own_policies:too_strong", PLACE), PLACE, episodes=2, name="too_strong")
    assert found.notes == ("400 of 400 actions of too_strong (100.0%) lay beyond the bounds and were clipped.",)
    pendulum = world_source("pendulum")
    twice = [evaluate_policy(open_policy("own_policies:swing", pendulum), pendulum, episodes=2).returns for _ in "ab"]
    assert twice[0] == twice[1]


PLACE = environment_source("Pendulum-v1")


def test_policies_of_ours_may_be_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_ours.py").write_text(
        "import numpy as np\n"
        "from pilothouse.policies.host import HostPolicy\n"
        "from pilothouse.policies.policy import Random\n"
        "from pilothouse.core.spaces import Box\n"
        "still = Random(Box((1,), -2.0, 2.0))\n"
        "class Zero(HostPolicy):\n"
        "    name = 'zero'\n"
        "    def __init__(self, spec): self.spec = spec\n"
        "    def act_many(self, obs, carry, seed): return np.zeros((len(obs), 1)), carry, {}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert isinstance(function_policy("of_ours:Zero", SPEC), HostPolicy)
    assert actor_of(function_policy("of_ours:still", SPEC), copies=4, seed=0)(OBS, None, 0)[0].shape == (4, 1)
    with pytest.raises(PilothouseError):
        function_policy("of_ours:Box", SPEC)
