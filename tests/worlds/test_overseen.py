"""Who watches takes over after so many steps without reward, for so many, and the rows say so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.rules import as_executed, remember
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.stores import ring
from pilothouse.policies.policy import Memoryless
from pilothouse.rollout.collect import begin, collect
from pilothouse.worlds.overseen import Overseen
from pilothouse.worlds.pendulum import Pendulum, SparsePendulum
from pilothouse.worlds.wrappers import unit_actions

KEY = jax.random.key(0)


class Always(Memoryless):
    push: float

    def __call__(self, obs, carry, key):
        return jnp.full(1, self.push), carry, {}


def lived(patience: int, hold: int, steps: int = 12) -> Batch:
    """A pendulum that hangs at rest: the learner pushes with unit -0.25, the overseer with torque 1, unit 0.5."""
    world = unit_actions(Overseen(SparsePendulum(), Always(1.0), patience, hold))
    task = {"start": jnp.array([[jnp.pi, 0.0]])}
    return jax.jit(lambda: collect(Always(-0.25), world, begin(world, task, 1, KEY), "here", steps, None, KEY)[1])()


def test_takes_over_after_patience_and_lets_go_after_hold() -> None:
    rows = lived(3, 2)
    # three steps of the learner's, two of the overseer's, and again: no reward all along
    intervened = np.array([0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0], bool)
    np.testing.assert_array_equal(rows.intervened[:, 0], intervened)
    np.testing.assert_allclose(rows.executed[:, 0, 0], np.where(intervened, 0.5, -0.25))
    np.testing.assert_allclose(rows.action[:, 0, 0], -0.25)
    assert (rows.reward == 0).all()
    inner = Pendulum()
    state = inner.state_of(jnp.array([jnp.pi, 0.0]))
    for row in range(12):  # what was executed is what moved the world
        state, outcome = inner.step(state, 2.0 * rows.executed[row, 0], KEY)
        np.testing.assert_allclose(rows.next_obs[row, 0], outcome.next_obs, atol=1e-5)


def test_nobody_takes_over_while_reward_comes() -> None:
    world = Overseen(SparsePendulum(), Always(1.0), 1, 5)
    state, _ = world.reset({"start": jnp.array([0.0, 0.0])}, KEY)
    for _ in range(3):  # upright and at rest: a reward at every step
        state, outcome = world.step(state, jnp.zeros(1), KEY)
        assert not bool(outcome.extra["intervened"]) and float(outcome.reward) == 1.0
    with pytest.raises(SettingError, match="patience=0"):
        Overseen(Pendulum(), Always(1.0), 0, 5)


def test_rows_are_kept_with_what_was_done_and_interventions_twice() -> None:
    rows = lived(3, 2).replace(duration=jnp.ones((12, 1), jnp.int32))
    spec = Spec(Box((3,)), Box((1,), -1.0, 1.0))
    parts = {"lived": rows, "replay": ring(spec, 16)(KEY), "interventions": ring(spec, 16)(KEY)}
    parts |= as_executed("lived").change(parts, None, {}, KEY)
    parts |= remember("lived", "replay").change(parts, None, {}, KEY)
    parts |= remember("lived", "interventions", only="intervened").change(parts, None, {}, KEY)
    assert int(parts["replay"].added) == 12 and int(parts["interventions"].added) == 4
    np.testing.assert_allclose(parts["interventions"].rows.action[:4], 0.5)
    np.testing.assert_allclose(parts["replay"].rows.action[:12, 0], rows.executed[:, 0, 0])
    alone = rows.without("intervened", "executed")
    changed = as_executed("lived").change({"lived": alone}, None, {}, KEY)["lived"]
    np.testing.assert_array_equal(changed.action, alone.action)
    assert not changed.intervened.any()
