"""What the parity of returns may say: worked by hand. Nothing is learned here."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load():
    """The script, which lies outside the package; what importing it needs on the path is taken off again."""
    place = importlib.util.spec_from_file_location("parity_of_returns", FOLDER / "parity.py")
    assert place is not None and place.loader is not None
    module, path = importlib.util.module_from_spec(place), list(sys.path)
    sys.path.insert(0, str(FOLDER))
    # A dataclass looks its own module up by name.
    sys.modules["parity_of_returns"] = module
    place.loader.exec_module(module)
    sys.path[:] = path
    return module


PARITY = load()


def test_welch_by_hand():
    # Means 3 and 2; variances 1 and 4 over 3 seeds each: error = sqrt(1/3 + 4/3) = sqrt(5/3).
    # Freedom = (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2) = (25/9) / (17/18) = 50/17, where Student's 97.5% point is 3.2174.
    gap, low, high = PARITY.welch([2.0, 3.0, 4.0], [0.0, 2.0, 4.0])
    assert gap == pytest.approx(1.0)
    assert high - gap == pytest.approx(gap - low)
    assert high - gap == pytest.approx(3.2174 * np.sqrt(5 / 3), rel=1e-3)


def test_equal_seeds_without_spread_are_parity_and_exclude_every_deficit():
    told = PARITY.statement("SAC", "a peer", [100.0] * 5, [100.0] * 5)
    assert told["parity"] and told["smallest_excluded_deficit"] == 0.0


def test_parity_needs_a_deficit_of_a_fifth_excluded():
    # Equal means of 100 and deviations of 1 and of 40: the interval is about +-1.5, and about +-58.
    near, far = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), np.array([-40.0, -20.0, 0.0, 20.0, 40.0])
    assert PARITY.statement("SAC", "a peer", list(100 + near), list(100 + near))["parity"]
    wide = PARITY.statement("SAC", "a peer", list(100 + far), list(100 + far))
    assert not wide["parity"] and "not excluded" in wide["sentence"] and ": parity" not in wide["sentence"]


def test_worse_by_more_than_a_fifth_is_never_parity():
    near = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert not PARITY.statement("SAC", "a peer", list(75 + near), list(100 + near))["parity"]
    # Better is: no deficit is left.
    better = PARITY.statement("SAC", "a peer", list(130 + near), list(100 + near))
    assert better["parity"] and better["smallest_excluded_deficit"] == 0.0


def test_a_peer_below_zero_gives_no_share():
    told = PARITY.statement("SAC", "a peer", [-5.0, -4.0, -6.0], [-5.0, -4.0, -6.0])
    assert told["share_of_peer"] is None and not told["parity"]


def test_a_seed_of_other_steps_or_other_data_does_not_count(tmp_path: Path):
    job = PARITY.Job(results=tmp_path, folder=tmp_path)
    stored = PARITY.wanted(job, "iql", "these data") | {"mean": 1.0}
    job.file("iql", "ours", 0).write_text(json.dumps(stored))
    assert PARITY.finished(job, "iql", "ours", 0, "these data") == stored
    assert PARITY.finished(job, "iql", "ours", 0, "other data") is None
    assert PARITY.finished(job, "iql", "ours", 1, "these data") is None
    trial = PARITY.Job(results=tmp_path, folder=tmp_path, trial=True)
    assert PARITY.finished(trial, "iql", "ours", 0, "these data") is None


def test_the_actor_that_is_measured_acts_by_its_layers(tmp_path: Path):
    pytest.importorskip("mujoco")
    # Zero weights: the action is the tangent of the last bias, in every state; entries beyond the action's are unread.
    layers = {"weight0": np.zeros((17, 4), np.float32), "bias0": np.zeros(4, np.float32)}
    last = np.array([0.0] * 6 + [9.0] * 6, np.float32)
    np.savez(tmp_path / "still.npz", **layers, weight1=np.zeros((4, 12), np.float32), bias1=last)
    (still,) = PARITY.returns_of(tmp_path / "still.npz", 1)
    # Doing nothing, a half-cheetah sinks to the ground and stays there.
    assert -100 < still < 20
