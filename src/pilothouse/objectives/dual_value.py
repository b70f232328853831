r"""The value losses of the dual of regularised learning: one for each f-divergence from the data.

Each balances pulling a state's value down to the data's action values against the conjugate of the divergence of what
lies above it, so that its minimiser is a soft maximum over the data's actions: a quantile for total variation, a
maximum of squares for Pearson's chi-square, a log-sum-exp for reverse KL.

Source: Sikchi, Zheng, Zhang and Niekum, "Dual RL: Unification and New Methods for Reinforcement and Imitation Learning",
arXiv:2302.08560, and the authors' code; reverse KL: Garg et al., "Extreme Q-learning", arXiv:2301.02328.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LARGEST = 7.0
"""Exponents of the reverse-KL loss above this count as this, as in the authors' code: such samples then carry no gradient."""


def chi_square_dual_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, mix: float | Array
) -> Float[Array, " batch"]:
    r"""$\lambda (u + u^2/4)_{u>0} - (1 - \lambda) u$, where u = target - prediction and $\lambda$ = `mix`.

    The polynomial is the conjugate of Pearson's $\chi^2$, taken as 0 for u below 0, where a weight would be negative.

    **Arguments:** `prediction`: shape `(batch,)`, return units, carries the gradient; `target`: same shape, a constant;
    `mix`: $\lambda$ in (0, 1): the nearer to 1, the nearer the minimiser to the highest target.

    **Returns:** per-sample loss `(batch,)`.
    """
    gap = jax.lax.stop_gradient(target) - prediction
    above = jnp.maximum(gap, 0.0)
    return mix * (above + above**2 / 4) - (1 - mix) * gap


def total_variation_dual_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, mix: float | Array
) -> Float[Array, " batch"]:
    r"""$\lambda u_{u>0} - (1 - \lambda) u$. Its minimiser is a quantile: the one with $(1 - \lambda)/\lambda$ above it.

    Arguments as in `chi_square_dual_loss`; it has a minimiser for `mix` above one half.
    """
    gap = jax.lax.stop_gradient(target) - prediction
    return mix * jnp.maximum(gap, 0.0) - (1 - mix) * gap


def reverse_kl_dual_loss(
    prediction: Float[Array, " batch"], target: Float[Array, " batch"], *, temperature: float | Array
) -> Float[Array, " batch"]:
    r"""Gumbel regression, $e^z - z - 1$ with z = u / `temperature` at most 7, divided by the batch's greatest $e^z$.

    The minimiser is the soft maximum $\beta \log E e^{target/\beta}$. This is extreme Q-learning's loss; the division,
    by at least $e^{-1}$ and without gradient, and the cap are what its authors keep it from exploding with. A sample
    beyond the cap pulls no more.
    """
    z = jnp.minimum((jax.lax.stop_gradient(target) - prediction) / temperature, LARGEST)
    most = jax.lax.stop_gradient(jnp.maximum(z.max(), -1.0))
    return jnp.exp(z - most) - (z + 1) * jnp.exp(-most)


Losses = Mapping[str, Callable[..., Float[Array, " batch"]]]
DUAL_LOSSES: Losses = {"chi-square": chi_square_dual_loss, "total-variation": total_variation_dual_loss}
"""By the divergence's name; those that take `mix`."""
