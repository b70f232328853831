"""What is recorded is what was done, and its returns are those that measuring finds."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import OutputError, SettingError, SpaceError
from pilothouse.core.spaces import Spec
from pilothouse.data.minari_format import read_minari
from pilothouse.evaluate.recording import record_policy
from pilothouse.policies.policy import Memoryless
from pilothouse.train.resolve import environment_source, world_source
from pilothouse.train.simulators import Simulators


class Towards(Memoryless):
    """Pushes against the velocity, in the pendulum's own units; counts its steps in the carry."""

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.clip(-obs[2:3], -2.0, 2.0), carry, {}


class Alternating(Memoryless):
    """Left, right, left, …: from its carry, so it shows where an episode began."""

    def reset(self, carry: Any, task: Any, key: Any) -> Any:
        return jnp.int32(0)

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return carry % 2, carry + 1, {}


def test_returns_recorded_in_a_simulator_are_those_of_its_episodes(tmp_path: Path) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    place = environment_source("Pendulum-v1")
    recorded = record_policy(Towards(), place, steps=450, seed=3, out=tmp_path / "made-v0")
    assert recorded.env_id == "Pendulum-v1" and list(recorded.lengths) == [200, 200, 50]
    seeds = Simulators(place.make(1), (3,), 1)
    for episode, total in enumerate(recorded.returns[:2]):
        seeds.episodes[0] = episode
        env, rewards = gymnasium.make("Pendulum-v1"), []
        obs, _ = env.reset(seed=seeds.episode_seed(0))
        for _ in range(200):
            obs, reward, *_ = env.step(np.clip(-obs[2:3], -2, 2))
            rewards.append(reward)
        env.close()
        assert total == pytest.approx(sum(rewards), rel=1e-4)
    seeds.close()
    again = read_minari(tmp_path / "made-v0")
    assert again.fingerprint == recorded.fingerprint
    ends = np.cumsum(recorded.lengths) - 1
    assert recorded.truncated[ends].all() and not recorded.terminated.any()
    inner = np.setdiff1d(np.arange(450), ends)
    np.testing.assert_array_equal(recorded.next_obs[inner], recorded.obs[inner + 1])


@pytest.mark.parametrize("kind", ["world", "simulator"])
def test_memory_begins_anew_with_every_recorded_episode(kind: str, tmp_path: Path) -> None:
    if kind == "simulator":
        pytest.importorskip("gymnasium")
    place = world_source("cartpole") if kind == "world" else environment_source("CartPole-v1")
    recorded = record_policy(Alternating(), place, steps=150, seed=0, out=tmp_path / "made-v0")
    assert recorded.episodes > 2 and recorded.terminated.sum() == recorded.episodes - (not recorded.terminated[-1])
    for start, length in zip(recorded.starts, recorded.lengths, strict=True):
        np.testing.assert_array_equal(recorded.action[start : start + length], np.arange(length) % 2)
    # CartPole pays 1 a step, so that what is evaluated and what is recorded can be told by lengths.
    np.testing.assert_allclose(recorded.returns, recorded.lengths)


def test_the_same_seed_records_the_same_and_another_does_not(tmp_path: Path) -> None:
    place = world_source("cartpole")
    one, two, other = (
        record_policy("random", place, steps=40, seed=seed, out=tmp_path / f"{name}-v0").fingerprint
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == two != other


class Elsewhere(Towards):
    @property
    def spec(self) -> Spec:
        return world_source("pendulum").spec


def test_what_cannot_be_recorded_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    place = world_source("cartpole")

    def record(policy: Any = "random", out: str = "made-v0", **given: int) -> None:
        record_policy(policy, place, out=tmp_path / out, **{"steps": 4, "seed": 0, **given})

    with pytest.raises(SettingError, match="steps=0"):
        record(steps=0)
    with pytest.raises(SettingError, match="seed=-1"):
        record(seed=-1)
    with pytest.raises(SpaceError, match="The policy observes"):
        record(Elsewhere())
    with pytest.raises(SettingError, match="NAME-vN"):
        record(out="made")
    assert list(tmp_path.iterdir()) == []
    record()
    with pytest.raises(OutputError, match="exists already"):
        record()
