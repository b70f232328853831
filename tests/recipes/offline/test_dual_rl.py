"""f-DVL's value follows an outlier no faster than a line; extreme Q-learning's exponential is ruled by it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.dual_rl import dual_rl


def test_one_outlier_does_not_take_the_gradient_from_the_others() -> None:
    # Eight rows of one state, the last worth six above the rest. Fails with the exponential in place of the polynomial:
    # its share of the pull is 99% there, and the seven others say nothing.
    spec = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))
    worth = jnp.array([0.5] * 7 + [6.5])
    shares = {}
    for divergence in ("chi-square", "reverse-kl"):
        bound = dual_rl(divergence=divergence, mix=0.7, width=4, depth=1, batch=8)
        fit = bound.build(spec).stages[-1].cycle[-1]
        value_loss = fit.objectives[0].loss

        def pull(row: int, loss=value_loss) -> float:
            rows = Batch(obs=jnp.zeros((8, 2)), action=worth[:, None], reward=jnp.zeros(8))
            critic = lambda obs, action: jnp.stack([action[0], action[0]])  # noqa: E731
            ones = jnp.zeros(8)

            def at(levels):
                # A value with a number for each row, told apart by position: the gradient by one is that row's pull.
                parts = {"value": lambda obs: obs[0], "critic/slow": critic}
                return loss(parts, rows.replace(obs=jnp.stack([levels, ones], 1)), jax.random.key(0))[0]

            return float(-jax.grad(at)(ones)[row])

        pulls = np.array([pull(row) for row in range(8)])
        shares[divergence] = pulls[-1] / pulls[pulls > 0].sum()
    assert shares["chi-square"] < 0.5
    assert shares["reverse-kl"] > 0.95


@pytest.mark.parametrize("divergence", ["chi-square", "total-variation", "reverse-kl"])
def test_every_divergence_is_wired_with_its_own_number(divergence: str) -> None:
    spec = Spec(Box((2,), -5.0, 5.0), Box((1,), -1.0, 1.0))
    batch = Batch(obs=jnp.zeros((2, 2)), action=jnp.array([[0.0], [2.0]]), reward=jnp.zeros(2))
    parts = {"value": lambda obs: 0.0 * obs[0], "critic/slow": lambda obs, action: jnp.stack([action[0], action[0]])}

    def found(**settings) -> float:
        fit = dual_rl(divergence=divergence, width=4, depth=1, **settings).build(spec).stages[-1].cycle[-1]
        return float(fit.objectives[0].loss(parts, batch, jax.random.key(0))[0])

    mixes, temperatures = found(mix=0.6) != found(mix=0.8), found(temperature=1.0) != found(temperature=2.0)
    assert (mixes, temperatures) == ((False, True) if divergence == "reverse-kl" else (True, False))
