"""Flow matching by hand, what its labels and weights do, and where following a known velocity ends."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.flow import Guided, flow_actor
from pilothouse.objectives.flow_matching import BETTER, LABELS, WORSE, by_advantage, match_flow, sign_of_advantage

KEY = jax.random.key(0)
BATCH = Batch(obs=jnp.array([[1.0], [2.0], [3.0]]), action=jnp.array([[0.5], [-0.5], [0.1]]))


class Known(eqx.Module):
    """Moves at `slope * point + push[label]`."""

    slope: Any
    push: Any
    shape: tuple[int, ...] = eqx.field(static=True, default=(1,))

    def velocity(self, obs: Any, point: Any, time: Any, label: Any) -> Any:
        return self.slope * point + jnp.asarray(self.push)[label]


def drawn() -> tuple[np.ndarray, np.ndarray]:
    time = np.asarray(jax.random.uniform(named(KEY, "time"), (3,)))[:, None]
    return time, np.asarray(jax.random.normal(named(KEY, "noise"), (3, 1)))


def test_the_target_is_the_straight_way_at_a_point_on_it() -> None:
    time, noise = drawn()
    action = np.asarray(BATCH.action)
    point = (1 - time) * noise + time * action
    loss, _ = match_flow()({"actor": Known(0.5, [0.25])}, BATCH, KEY)
    np.testing.assert_allclose(loss, np.mean((0.5 * point + 0.25 - (action - noise)) ** 2), rtol=1e-5)


def test_labels_are_hidden_from_a_share_of_the_rows_and_weights_weigh() -> None:
    _, noise = drawn()
    way = (np.asarray(BATCH.action) - noise)[:, 0]
    label = lambda parts, batch: jnp.array([1, 2, 1])  # noqa: E731
    parts = {"actor": Known(0.0, [[0.0], [1.0], [2.0]])}
    for hidden, said in ((0.0, np.array([1, 2, 1])), (1.0, np.zeros(3))):
        loss, _ = match_flow(label=label, hidden=hidden)(parts, BATCH, KEY)
        np.testing.assert_allclose(loss, np.mean((said - way) ** 2), rtol=1e-5)
    loss, _ = match_flow(weight=lambda parts, batch: jnp.array([0.0, 3.0, 0.0]))(parts, BATCH, KEY)
    np.testing.assert_allclose(loss, way[1] ** 2, rtol=1e-5)  # 3 of one row over 3 rows


def test_rows_are_labelled_and_weighed_by_their_advantage() -> None:
    parts = {
        "critic/slow": lambda obs, action: jnp.array([obs[0], 2.0]),  # the lower of the two: 1, 2, 2
        "value": lambda obs: jnp.float32(2.0) if obs is None else 0.5 * obs[0] + 1.0,  # 1.5, 2, 2.5
    }
    np.testing.assert_array_equal(sign_of_advantage()(parts, BATCH), [WORSE, BETTER, WORSE])
    np.testing.assert_allclose(by_advantage(2.0)(parts, BATCH), np.exp([-1.0, 0.0, -1.0]), rtol=1e-5)
    np.testing.assert_allclose(by_advantage(2.0, limit=0.5)(parts, BATCH), [np.exp(-1), 0.5, np.exp(-1)], rtol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_guidance_follows_the_difference_that_the_label_makes(weight: float) -> None:
    # Without a label 0.1, with it 0.2: at 0.1 + weight * 0.1 for one second, from noise that shrinks at slope -s:
    # each of 4 steps is x <- x (1 - s/4) + push/4.
    actor, slope = Known(-0.5, [[0.1], [-9.0], [0.2]]), -0.5
    x = float(jax.random.normal(KEY, (1,))[0])
    for _ in range(4):
        x += (slope * x + 0.1 + weight * 0.1) / 4
    found = Guided(actor, weight, BETTER, 4).sample(jnp.zeros(1), KEY)
    np.testing.assert_allclose(found, [np.clip(x, -1, 1)], rtol=1e-5)


def test_the_velocity_of_a_narrow_bell_leads_all_noise_to_it() -> None:
    # Data N(m, s^2) and noise N(0, 1) on straight lines: v = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (x - t m).
    m, s = 0.3, 0.2

    class Exact(eqx.Module):
        shape: tuple[int, ...] = eqx.field(static=True, default=(1,))

        def velocity(self, obs: Any, point: Any, time: Any, label: Any) -> Any:
            return m + (time * s**2 - (1 - time)) / ((1 - time) ** 2 + time**2 * s**2) * (point - time * m)

    keys = jax.random.split(KEY, 2000)
    found = jax.vmap(lambda key: Guided(Exact(), 1.0, BETTER, 100).sample(jnp.zeros(1), key))(keys)
    np.testing.assert_allclose([found.mean(), found.std()], [m, s], atol=0.02)


def test_a_flow_actor_knows_its_label_and_its_time() -> None:
    actor = flow_actor(Spec(Box((2,)), Box((3,), -1.0, 1.0)), 8, 1, LABELS)(KEY)
    point = jnp.zeros(3)
    found = [actor.velocity(jnp.ones(2), point, jnp.float32(t), label) for t in (0.0, 1.0) for label in range(3)]
    assert found[0].shape == (3,) and len({tuple(np.asarray(v).tolist()) for v in found}) == 6
