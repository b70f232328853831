"""Every loss and gradient beside what other libraries computed from the same weights, batch and draws.

The files under tests/oracles/ hold what Stable-Baselines3 2.9.2, d3rlpy 2.8.1 and TRL 1.16.0 computed in their own
updates; `benchmarks/losses/run.py --oracles` writes them again. No peer is imported here.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BOUND = 1e-5
METHODS = ("sac", "td3", "ppo", "iql", "td3bc", "awac", "cql", "decision-transformer", "grpo")


def load():
    """The comparison of the bench, which lies outside the package; what it puts on the path is taken off again."""
    place = importlib.util.spec_from_file_location("peer_losses", ROOT / "benchmarks" / "losses" / "compare.py")
    assert place is not None and place.loader is not None
    module, path = importlib.util.module_from_spec(place), list(sys.path)
    place.loader.exec_module(module)
    sys.path[:] = path
    return module


PEERS = load()


def given(method: str) -> dict[str, np.ndarray]:
    return dict(np.load(ROOT / "tests" / "oracles" / f"peer_{method}.npz", allow_pickle=False))


@pytest.mark.parametrize("method", METHODS)
def test_losses_and_gradients_equal_the_peers(method: str):
    found = PEERS.compare(method, given(method))
    losses = [name for name in found if name.endswith(": loss")]
    assert losses and len(found) > 5 * len(losses)
    assert {name: size for name, size in found.items() if not size <= BOUND} == {}


def test_the_comparison_sees_a_small_change():
    arrays = given("td3")
    arrays["batch/reward"] = arrays["batch/reward"] * 1.001
    found = PEERS.compare("td3", arrays)
    assert found["critic: loss"] > BOUND
    # The actor's loss does not read the reward.
    assert found["actor: loss"] <= BOUND


def test_a_time_limit_that_is_taken_for_a_termination_is_seen():
    arrays = given("sac")
    arrays["batch/terminated"] = arrays["batch/terminated"] | arrays["batch/truncated"]
    assert PEERS.compare("sac", arrays)["critic: loss"] > 1e-3
