"""CRR+ is cautious where CRR is even-handed: a value too high is pulled down harder than one too low is pushed up."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Gaussian, SquashedGaussian
from pilothouse.objectives.sampled_actions import cautious_td_loss
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.recipes.offline.crr import crr
from pilothouse.recipes.offline.crr_cql import crr_cql

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


def test_the_cautious_error_by_hand() -> None:
    q, target = jnp.array([[5.0, 1.0]]), jnp.array([3.0])
    np.testing.assert_allclose(cautious_td_loss(0.7)(q, target), [0.7 * 4 + 0.3 * 4], rtol=1e-6)
    slope = jax.grad(lambda x: cautious_td_loss(0.7)(x, target).sum())(q)
    np.testing.assert_allclose(slope, [[2 * 0.7 * 2, -2 * 0.3 * 2]], rtol=1e-6)
    # At one half it is half the squared error; and what it settles on is below the mean of the targets.
    np.testing.assert_allclose(cautious_td_loss(0.5)(q, target) * 2, squared_td_loss(q, target))
    targets, place = jnp.array([0.0, 1.0]), jnp.full((2, 1), 0.3)
    np.testing.assert_allclose(jax.grad(lambda x: cautious_td_loss(0.7)(x, targets).sum())(place).sum(), 0.0, atol=1e-6)


def test_what_crr_plus_changes() -> None:
    # Fails with CRR's critic loss, networks or actor in place of CRR+'s.
    batch = Batch(
        obs=jnp.zeros((1, 2)), next_obs=jnp.zeros((1, 2)), action=jnp.zeros((1, 1)), reward=jnp.array([3.0]),
        discount=jnp.zeros(1),
    )  # fmt: skip
    ratios = []
    for method in (crr_cql, crr):
        algorithm = method(width=4, depth=1).build(SPEC)
        fit = algorithm.stages[0].cycle[0]
        assert isinstance(fit, Fit)
        loss = next(each.loss for each in fit.objectives if each.trains == ("critic",))
        parts = {
            "actor/slow": lambda obs: Gaussian(jnp.zeros(1), jnp.zeros(1)),
            "critic/slow": lambda obs, action: jnp.zeros(2),
        }

        def pull(q, loss=loss, parts=parts):  # noqa: ANN001
            return jax.grad(lambda x: loss({**parts, "critic": lambda obs, action: x}, batch, KEY)[0])(q)

        above, below = pull(jnp.array([5.0, 1.0]))
        ratios.append(float(-above / below))
        made = {name: algorithm.parts[name](KEY) for name in ("actor", "critic")}  # type: ignore[operator]
        plus = method is crr_cql
        assert bool(made["actor"].body.norms) == bool(made["critic"].stack.members.norms) == plus
        assert isinstance(made["actor"](jnp.zeros(2)), SquashedGaussian if plus else Gaussian)
    np.testing.assert_allclose(ratios, [7 / 3, 1.0], rtol=1e-5)
