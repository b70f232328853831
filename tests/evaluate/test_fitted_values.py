"""From a model of values to estimates: exact at every row, and right by the weights where the model is wrong."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from small_logs import BEHAVIOUR, DISCOUNT, TARGET, small_world

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.fitted_values import (
    FittedValue,
    fit_value,
    fitted_estimates,
    model_values,
    target_propensities,
)
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.networks.distributions import Categorical
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Memoryless, Sampled
from pilothouse.worlds.tabular_exact import action_values, expected_return, values

WORLD = small_world()
Q, V = action_values(WORLD, TARGET, discount=DISCOUNT), values(WORLD, TARGET, discount=DISCOUNT)
TRUTH = expected_return(WORLD, TARGET, discount=DISCOUNT)


class Table(eqx.Module):
    """An actor by the row of its table."""

    probabilities: Any

    def __call__(self, obs: Any) -> Any:
        return Categorical(jnp.log(self.probabilities[obs]))


class Drawn(Memoryless):
    """The same policy, of which no probabilities are known."""

    probabilities: Any

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return Categorical(jnp.log(self.probabilities[obs])).sample(key), carry, {}


TARGETED = Sampled(Table(jnp.asarray(TARGET)))


def table_of(table: np.ndarray) -> Any:
    held = jnp.asarray(table)
    return lambda obs, action: held[obs, action]


@pytest.fixture(scope="module")
def log() -> Dataset:
    return tabular_log(WORLD, BEHAVIOUR, episodes=400, seed=1)


def test_at_every_row_the_values_are_those_of_the_model(log: Dataset) -> None:
    found, last = model_values(table_of(Q), TARGETED, log), log.starts + log.lengths - 1
    np.testing.assert_allclose(found.action_value, Q[log.obs, log.action], rtol=1e-5)
    expected = (TARGET * Q).sum(1)
    np.testing.assert_allclose(found.value, expected[log.obs], rtol=1e-5)
    np.testing.assert_allclose(found.after, expected[log.next_obs[last]], rtol=1e-5)
    # A policy that only draws is asked many times: near, and the same each time.
    drawn = model_values(table_of(Q), Drawn(jnp.asarray(TARGET)), log, draws=64)
    np.testing.assert_allclose(drawn.value, expected[log.obs], atol=0.35)
    assert abs(drawn.value - expected[log.obs]).mean() < 0.05
    np.testing.assert_array_equal(
        drawn.value, model_values(table_of(Q), Drawn(jnp.asarray(TARGET)), log, draws=64).value
    )


def test_propensities_are_those_of_the_logged_actions(log: Dataset) -> None:
    np.testing.assert_allclose(target_propensities(TARGETED, log), TARGET[log.obs, log.action], rtol=1e-5)
    with pytest.raises(PolicyError, match="says no probabilities"):
        target_propensities(Drawn(jnp.asarray(TARGET)), log)


def test_a_wrong_model_misleads_itself_alone(log: Dataset) -> None:
    behaviour = BEHAVIOUR[log.obs, log.action]
    exact, logged = fitted_estimates(log, TARGETED, table_of(Q), behaviour=behaviour, discount=DISCOUNT)
    wrong, _ = fitted_estimates(log, TARGETED, table_of(Q + 1.0), behaviour=behaviour, discount=DISCOUNT)
    assert logged.discount == DISCOUNT
    start = V[log.obs[log.starts]].mean()
    assert exact["fqe"].value == pytest.approx(start, rel=1e-5) and wrong["fqe"].value == pytest.approx(
        start + 1, rel=1e-5
    )
    for name in ("dr", "sndr"):
        assert wrong[name].interval(level=0.999).contains(TRUTH)
        assert exact[name].interval().half_width < exact["pdis"].interval().half_width
    # SWITCH trusts the model from the first large weight on: between the two.
    near, _ = fitted_estimates(log, TARGETED, table_of(Q + 1.0), behaviour=behaviour, discount=DISCOUNT, most=0.0)
    assert near["switch"].value == pytest.approx(start + 1, rel=1e-5)
    far, _ = fitted_estimates(log, TARGETED, table_of(Q + 1.0), behaviour=behaviour, discount=DISCOUNT, most=np.inf)
    assert far["switch"].value == pytest.approx(wrong["dr"].value)


def test_fitted_q_feeds_them(log: Dataset) -> None:
    value = fit_value(TARGETED, log, discount=DISCOUNT, updates=1500, width=16, lr=3e-3)
    assert value.doubt == ""
    found, _ = fitted_estimates(log, TARGETED, value, discount=DISCOUNT)
    assert found["fqe"].value == pytest.approx(TRUTH, abs=0.12)
    assert found["dr"].value == pytest.approx(TRUTH, abs=0.12)
    assert found["dr"].interval().half_width < 0.85 * found["pdis"].interval().half_width
    places = np.flatnonzero(~np.asarray(WORLD.terminal))
    learned = np.array([[float(value(jnp.int32(s), jnp.int32(a))) for a in (0, 1)] for s in places])
    np.testing.assert_allclose(learned, Q[places], atol=0.2)


def test_a_fitted_value_speaks_in_the_units_of_the_source() -> None:
    spec = Spec(Box((2,)), Box((1,), 0.0, 4.0))
    value = FittedValue(
        lambda obs, action: jnp.stack([obs.sum(), action[0]]), jnp.array([1.0, 1.0]), jnp.array([2.0, 0.5]), spec
    )
    # (3 - 1) / 2 + (2 - 1) / 0.5 = 3; the action 3 of 0 to 4 is 0.5; their mean 1.75.
    assert float(value(jnp.array([3.0, 2.0]), jnp.array([3.0]))) == pytest.approx(1.75)


class FromElsewhere(HostPolicy):
    spec, name = WORLD.spec, "theirs.onnx"

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any: ...


def test_what_cannot_be_traced_or_weighed_is_refused(log: Dataset) -> None:
    with pytest.raises(PolicyError, match="theirs.onnx runs on the host"):
        fit_value(FromElsewhere(), log)
    rows = {"obs": np.zeros((2, 1), np.float32), "action": np.zeros((2, 1), np.float32), "reward": np.zeros(2)}
    rows |= {"next_obs": rows["obs"], "terminated": np.array([False, True]), "truncated": np.zeros(2, bool)}
    boxes = dataset_from_transitions(rows, Spec(Box((1,)), Box((1,), -1.0, 1.0)), name="boxes")
    with pytest.raises(SpaceError, match="Discrete actions"):
        target_propensities(TARGETED, boxes)
