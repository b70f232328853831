"""Learning through a step, by hand and by central differences; what GORL's guide is told."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.meta_gradient import (
    cloned,
    come_nearer_to_experts,
    imitate_and_improve,
    learned,
    on,
    outdo_cloning,
    stepped,
    weighed_td3_bc,
)

KEY = jax.random.key(0)


class Slope(eqx.Module):
    """A deterministic actor of one number: the action is `slope` times the observation."""

    slope: jax.Array

    def __call__(self, obs):
        return Deterministic(self.slope * obs)


class Guide(eqx.Module):
    """Of three (an action, an observation, an action shown) or two (losses): their weighed sum."""

    weights: jax.Array

    def __call__(self, *inputs):
        return sum(weight * jnp.sum(x) for weight, x in zip(self.weights, inputs, strict=True))


def critic(obs, action):
    """Best at twice the observation."""
    value = -jnp.sum((action - 2 * obs) ** 2)
    return jnp.stack([value, value - 1])


def rows(obs, action) -> Batch:
    return Batch(obs=jnp.asarray(obs, jnp.float32)[:, None], action=jnp.asarray(action, jnp.float32)[:, None])


def differences(loss, guide: Guide) -> np.ndarray:
    """The gradient by the guide's weights, by central differences."""
    small, found = 1e-3, []
    for place in range(len(guide.weights)):
        ends = [float(loss(Guide(guide.weights.at[place].add(sign * small)))) for sign in (1, -1)]
        found.append((ends[0] - ends[1]) / (2 * small))
    return np.array(found)


def test_a_step_by_hand_and_its_gradient() -> None:
    # x^2 * w at x = 3, w = 2: gradient 12, so 3 - 0.1 * 12 = 1.8; by w it moves by -0.1 * 2 * 3 = -0.6.
    def moved(weight):
        return stepped(lambda part: weight * part["x"] ** 2, {"x": jnp.asarray(3.0), "name": "kept"}, 0.1)

    assert float(moved(jnp.asarray(2.0))["x"]) == pytest.approx(1.8)
    assert moved(jnp.asarray(2.0))["name"] == "kept"
    assert float(jax.grad(lambda w: moved(w)["x"])(jnp.asarray(2.0))) == pytest.approx(-0.6)


def test_imitating_and_improving_by_hand() -> None:
    batch = Batch(lived=rows([1.0], [9.0]), shown=rows([1.0, 2.0], [0.0, 2.0]))
    parts = {"actor": Slope(jnp.asarray(1.0)), "critic": critic, "guide": Guide(jnp.array([1.0, 0.0, 2.0]))}
    # Value at the lived row: -(1 - 2)^2 = -1. Squared errors shown: 1 and 0, half in the mean.
    loss, aux = imitate_and_improve(cloned(3.0))(parts, batch, KEY)
    assert float(loss) == pytest.approx(1 + 3 * 0.5)
    assert float(aux["actor/q_mean"]) == pytest.approx(-1)
    # The guide's sums: 1 + 0 and 2 + 2 * 2.
    assert float(imitate_and_improve(learned)(parts, batch, KEY)[0]) == pytest.approx(1 + 3.5)


def test_gild_asks_how_much_better_than_cloning_by_hand_and_by_differences() -> None:
    with jax.enable_x64(True):
        batch = Batch(lived=rows([1.0], [9.0]), shown=rows([1.0], [0.0]), unseen=rows([2.0], [9.0]))
        parts = {"actor": Slope(jnp.asarray(1.0)), "critic": critic}
        guide = Guide(jnp.array([-0.5, 0.0, 0.0]))
        # The slope a. Lived: gradient of (a - 2)^2 is -2. Cloning: of a^2 is 2; together 0: a stays 1, and at the
        # unseen row the value is -(2 - 4)^2 = -4. The guide's: -0.5; together -2.5: a = 1 + 0.1 * 2.5 = 1.25, and the
        # value is -(2.5 - 4)^2 = -2.25. The gain is 1.75.
        loss, aux = outdo_cloning(0.1)({**parts, "guide": guide}, batch, KEY)
        assert float(aux["guide/gain"]) == pytest.approx(1.75)
        assert float(loss) == pytest.approx(-np.tanh(1.75))

        def judged(guide):
            return outdo_cloning(0.1)({**parts, "guide": guide}, batch, KEY)[0]

        found = eqx.filter_grad(judged)(guide).weights
        np.testing.assert_allclose(found, differences(judged, guide), rtol=1e-3, atol=1e-8)
        # By its pull p on the action, the slope moves by -0.1; dV/da = -2 * (2.5 - 4) * 2 = 6, so dV/dp = -0.6.
        assert float(found[0]) == pytest.approx(0.6 / np.cosh(1.75) ** 2)


def test_gorl_weighs_each_row_by_hand() -> None:
    batch = Batch(rows=rows([1.0, 1.0], [0.0, 3.0]), expert=rows([1.0], [3.0]))
    parts = {"actor": Slope(jnp.asarray(1.0)), "critic": critic, "guide": Guide(jnp.array([0.0, 0.5]))}
    # Values -1 and -1, size 1: improvement 2.5 each. Squared errors 1 and 4; weights 0.5 and 2.
    loss, aux = weighed_td3_bc(2.5)(parts, batch, KEY)
    assert float(loss) == pytest.approx(2.5 + (0.5 * 1 + 2 * 4) / 2)
    assert float(aux["guide/weight_mean"]) == pytest.approx(1.25)
    # No gradient through the weights: by a, improvement -2 * 2.5, tethers 0.5 * 2 * 1 and 2 * 2 * -2, half each.
    slope = eqx.filter_grad(lambda a: weighed_td3_bc(2.5)({**parts, "actor": a}, batch, KEY)[0])(parts["actor"]).slope
    assert float(slope) == pytest.approx(-5 + (1 - 8) / 2)
    # One step of 0.1: a = 1.85, and the expert did 3.
    nearer, _ = come_nearer_to_experts(0.1)(parts, batch, KEY)
    assert float(nearer) == pytest.approx((1.85 - 3) ** 2, rel=1e-5)


def test_gorl_raises_the_weight_of_rows_that_do_as_experts_do() -> None:
    with jax.enable_x64(True):
        batch = Batch(rows=rows([1.0, 1.0], [0.0, 3.0]), expert=rows([1.0], [3.0]))
        parts = {"actor": Slope(jnp.asarray(1.0)), "critic": critic}
        guide = Guide(jnp.array([0.0, 0.5]))

        def judged(guide):
            return come_nearer_to_experts(0.1)({**parts, "guide": guide}, batch, KEY)[0]

        found = eqx.filter_grad(judged)(guide).weights
        np.testing.assert_allclose(found, differences(judged, guide), rtol=1e-3)
        # A greater weight on the greater error, which here is the row where an expert's action stands, pays.
        assert float(found[1]) < 0


def test_a_loss_on_a_part_of_the_batch() -> None:
    def total(parts, batch, key):
        return batch.x.sum(), {}

    assert float(on("inner", total)({}, Batch(inner=Batch(x=jnp.ones(3))), KEY)[0]) == 3
    assert on("inner", total).__name__ == "total"
