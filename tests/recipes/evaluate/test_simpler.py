"""SIMPLER scores policies in a simulator whose constants the traces chose; with its own it scores another pendulum."""

from typing import Any

import jax
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.identification import _BODIES, identify, windows_of
from pilothouse.recipes.evaluate.simpler import WORLD, _returns, controllers, recorded, simpler
from pilothouse.worlds.registry import world
from pilothouse.worlds.uncertain import UncertaintySet

HIDDEN = {"mass": 1.6, "length": 0.8}
RANGES = {"mass": (0.5, 2.5), "length": (0.5, 1.6)}


@pytest.fixture(scope="module")
def traces() -> Dataset:
    action, seen = (np.asarray(x)[:2, :41] for x in recorded(HIDDEN, 0.0, jax.random.key(0)))
    action = action[:, :40]
    rows = {
        "obs": seen[:, :-1].reshape(-1, 3), "next_obs": seen[:, 1:].reshape(-1, 3), "action": action.reshape(-1, 1),
        "reward": np.zeros(80), "terminated": np.zeros(80, bool), "truncated": np.tile(np.arange(40) == 39, 2),
    }  # fmt: skip
    return dataset_from_transitions(rows, WORLD.spec, name="traces")


def test_replayed_traces_tell_the_constants(traces: Dataset) -> None:
    found = identify(WORLD, traces, UncertaintySet.of(RANGES), window=20, rounds=10)
    assert found.windows == 4
    for name, value in HIDDEN.items():
        assert found.constants[name] == pytest.approx(value, rel=0.02), name
    assert found.error < 0.02 < 10 * found.error + 0.02 < found.nominal_error
    again = identify(WORLD, traces, UncertaintySet.of(RANGES), window=20, rounds=10)
    assert again == found


def test_policies_are_scored_as_in_the_real_place(traces: Dataset) -> None:
    policies: dict[str, Any] = dict(list(controllers(np.random.default_rng(0)).items())[:4])
    about = (40, 5)
    real = {name: float(np.mean(_returns(WORLD, 200, p, HIDDEN, *about))) for name, p in policies.items()}
    judge = simpler(window=20, rounds=10, episodes=40, longest=200).build(WORLD.spec)
    said = judge(traces, ranges=RANGES, policies=policies, real=real)
    # Fails where the identified constants are replaced by the simulator's own.
    close, far = (
        np.mean([abs(said[f"return/{prefix}{name}"] - real[name]) for name in policies]) for prefix in ("", "nominal/")
    )
    assert close < 0.5 * far
    assert said["pearson"] > max(0.9, said["pearson/nominal"]) and said["mmrv"] <= said["mmrv/nominal"]
    assert {"mass", "length", "error", "windows"} <= set(said)


def test_windows_begin_where_records_do_and_never_cross_an_ending() -> None:
    log = np.array([0, 7, 9]), np.array([7, 2, 3])
    first, steps = windows_of(*log, 3)
    assert first.tolist() == [0, 3, 9] and steps.tolist() == [[0, 1, 2], [3, 4, 5], [9, 10, 11]]
    assert windows_of(*log, 50)[0].tolist() == [0]


@pytest.mark.parametrize("name", ["pendulum", "acrobot", "cartpole", "mountain-car-continuous"])
def test_an_observation_shows_the_body(name: str) -> None:
    place = world(name)
    with jax.disable_jit():
        state, obs = place.reset((), jax.random.key(3))
    np.testing.assert_allclose(_BODIES[type(place).__name__](np.asarray(obs)), state.body, atol=1e-5)


def test_a_world_that_hides_its_state_is_refused(traces: Dataset) -> None:
    with pytest.raises(SettingError, match="PointMaze does not show its whole state"):
        identify(world("point-maze"), traces, UncertaintySet.of(RANGES))
