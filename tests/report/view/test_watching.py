"""A run's value read back from its checkpoint is that of the machine that wrote it, in the source's own units."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.spaces import to_unit
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.report.view.episodes import watch
from pilothouse.train.learned_values import learned_value
from pilothouse.train.policy_files import load
from pilothouse.train.resolve import world_source
from pilothouse.train.run import train
from pilothouse.train.session import open_session
from pilothouse.train.sources import DataSource, Scaling

SMALL = {"width": 4, "depth": 1, "batch": 8}
OBS, ACTION = np.array([0.6, 0.8, -3.0], np.float32), np.array([1.5], np.float32)


@pytest.fixture(scope="module")
def source() -> DataSource:
    return DataSource(mixed_pendulum(random=60, poor=60, good=0), world_source("pendulum"))


@pytest.mark.parametrize("name", ["iql", "td3bc"])
def test_it_is_the_value_that_was_learned(name: str, source: DataSource, tmp_path: Path) -> None:
    bound = load_recipe(name)(**SMALL)
    train(bound, source, steps=6, seeds=2, out=tmp_path / "run", episodes=0)
    session = open_session(bound, source, seeds=[0, 1], episodes=0)
    session.machine.advance({"iql": 6, "td3bc": 3}[name])
    mean, std = (np.asarray(x, np.float32) for x in (source.scaling.mean, source.scaling.std))
    seen, unit = jnp.asarray((OBS - mean) / std), jnp.asarray(to_unit(source.spec.action, ACTION))
    for lane in (0, 1):
        part = jax.tree.map(
            lambda x, lane=lane: x[lane], session.machine.state.parts["value" if name == "iql" else "critic"]
        )
        expected = part(seen) if name == "iql" else part(seen, unit).min()
        value = learned_value(tmp_path / "run", source.spec, source.scaling, lane)
        assert value is not None
        np.testing.assert_allclose(value(jnp.asarray(OBS), jnp.asarray(ACTION)), expected, rtol=1e-4)


def test_what_cannot_be_read_is_none(source: DataSource, tmp_path: Path) -> None:
    assert learned_value(tmp_path, source.spec, Scaling(), 0) is None
    train(load_recipe("bc")(**SMALL), source, steps=2, seeds=1, out=tmp_path / "bc", episodes=0)
    assert learned_value(tmp_path / "bc", source.spec, source.scaling, 0) is None  # it learns no value
    (tmp_path / "bc" / "config.json").write_text("{")
    assert learned_value(tmp_path / "bc", source.spec, source.scaling, 0) is None


def test_a_watched_episode_adds_up_and_is_the_policys(source: DataSource, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(load_recipe("iql")(**SMALL), source, steps=2, seeds=1, out=run, episodes=0)
    watched = watch(run, seed=3)
    assert watched.obs.shape == (200, 3) and watched.action.shape == (200, 1) and watched.ended == "time limit"
    np.testing.assert_allclose(watched.to_come[:-1] - watched.to_come[1:], watched.reward[:-1], atol=1e-9)
    assert watched.to_come[0] == pytest.approx(watched.reward.sum())
    policy = load(run)
    for step in (0, 7, 199):
        np.testing.assert_allclose(policy.act(watched.obs[step].astype(np.float32))[0], watched.action[step], atol=1e-4)
    value = learned_value(run, source.spec, source.scaling, 0)
    assert value is not None and watched.value is not None
    np.testing.assert_allclose(
        watched.value[5], value(jnp.asarray(watched.obs[5], jnp.float32), jnp.zeros(1)), rtol=1e-4
    )
    assert watched.sensitivity is not None and (watched.sensitivity >= 0).all() and watched.sensitivity.max() > 0
    assert len(watched.frames) * watched.every >= 200 and watched.frames[0][:2] == b"\xff\xd8"  # JPEG
