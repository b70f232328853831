"""Cal-QL presses its policy's actions down to the value of the data and no further; CQL without end."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.conservative import conservative_td, value_from
from pilothouse.recipes.offline.cal_ql import cal_ql

KEY = jax.random.key(0)
BATCH = Batch(
    obs=jnp.zeros((2, 1)), next_obs=jnp.zeros((2, 1)), action=jnp.zeros((2, 1)), reward=jnp.zeros(2),
    discount=jnp.zeros(2),
)  # fmt: skip


def half(obs: Any) -> Deterministic:
    """Always 0.5, with log-probability 0, so that its samples weigh as themselves."""
    return Deterministic(jnp.full(1, 0.5))


def gradient(policy_q: float, reference: float, *, calibrated: bool) -> np.ndarray:
    """How the loss moves the value of the data's action, of the policy's 0.5, and of random ones."""

    def loss(q: Any) -> Any:
        def critic(obs: Any, action: Any) -> Any:
            value = jnp.where(action[0] == 0.0, q[0], jnp.where(action[0] == 0.5, q[1], q[2]))
            return jnp.stack([value])

        parts = {
            "actor": half,
            "critic": critic,
            "critic/slow": critic,
            "reference": lambda obs: jnp.float32(reference),
        }
        return conservative_td(1.0, 2, floor=value_from("reference") if calibrated else None)(parts, BATCH, KEY)[0]

    return np.asarray(jax.grad(loss)(jnp.array([0.0, policy_q, -30.0])))


def test_a_floor_stops_the_pressing_down_exactly_there() -> None:
    for reference, pressed in ((1.0, True), (3.0, False)):  # the policy's action is worth 2
        data, policy, _ = gradient(2.0, reference, calibrated=True)
        np.testing.assert_allclose(data, -1.0, atol=1e-6)  # the data's own is pushed up either way (its error is 0)
        np.testing.assert_allclose(policy, 1.0 if pressed else 0.0, atol=1e-6)
    np.testing.assert_allclose(gradient(2.0, 3.0, calibrated=False)[1], 1.0, atol=1e-6)  # CQL presses on: the baseline


def test_random_actions_have_no_floor() -> None:
    # Worth less than the reference, and pressed down all the same; with a floor of its own it would not move at all.
    def random_pull(calibrated: bool) -> float:
        def loss(q: Any) -> Any:
            critic = lambda obs, a: jnp.where((a == 0.0) | (a == 0.5), -50.0, q)  # noqa: E731
            parts = {
                "actor": half, "critic": critic, "critic/slow": critic,
                "reference": lambda obs: jnp.float32(-40.0),
            }  # fmt: skip
            floor = value_from("reference") if calibrated else None
            return conservative_td(1.0, 2, floor=floor)(parts, BATCH.replace(reward=jnp.full(2, -50.0)), KEY)[0]

        return float(jax.grad(loss)(-45.0))

    assert random_pull(True) > 1e-3 and random_pull(False) > 0.5


def test_offline_and_online_are_one_learner_and_its_ablation_is_cql() -> None:
    spec = Spec(Box((2,)), Box((1,), -1.0, 1.0))
    offline, online = cal_ql(offline=7, updates=3).build(spec).stages
    assert offline.cycles == 7 and online.cycles is None
    one, many = offline.cycle[0], online.cycle[1]
    assert [o.trains for o in one.objectives] == [o.trains for o in many.objectives] and many.times == 3  # type: ignore
    assert one.batches.reads == ("data",) and many.batches.reads == ("data", "replay")  # type: ignore
