"""Kullback-Leibler divergences from log-probabilities, and their estimates from samples.

For draws x of a policy p with `log_p`, and a reference q with `log_q`, the estimators k1, k2, k3 of KL(p, q) differ in
their gradients when p is differentiated at fixed draws from p: k1's is 0 on average, k2's is that of KL(p, q), and
k3's is that of KL(q, p).

**Source:** J. Schulman, "Approximating KL divergence", 2020 (joschu.net/blog/kl-approx.html).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def categorical_kl(
    log_p: Float[Array, "*batch choices"], log_q: Float[Array, "*batch choices"]
) -> Float[Array, "*batch"]:
    """KL(p, q) in nats from all log-probabilities; choices of probability 0 under p count nothing."""
    p = jnp.exp(log_p)
    return jnp.where(p > 0, p * (log_p - log_q), 0.0).sum(axis=-1)


def gaussian_kl(
    mean: Float[Array, "*batch n"],
    log_std: Float[Array, "*batch n"],
    other_mean: Float[Array, "*batch n"],
    other_log_std: Float[Array, "*batch n"],
) -> Float[Array, "*batch"]:
    """KL of two diagonal normals in nats, the first the one averaged over."""
    variance_ratio = jnp.exp(2 * (log_std - other_log_std))
    z = (mean - other_mean) * jnp.exp(-other_log_std)
    return (other_log_std - log_std + 0.5 * (variance_ratio + z**2 - 1)).sum(axis=-1)


def k1(log_p: Float[Array, "*batch"], log_q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`log_p - log_q`: unbiased, of either sign."""
    return log_p - log_q


def k2(log_p: Float[Array, "*batch"], log_q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Half the squared log-ratio: biased, never negative, with the gradient of KL(p, q)."""
    return 0.5 * jnp.square(log_p - log_q)


def k3(log_p: Float[Array, "*batch"], log_q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`q/p - 1 - log(q/p)`: unbiased and never negative, with the gradient of KL(q, p)."""
    log_ratio = log_q - log_p
    return jnp.expm1(log_ratio) - log_ratio
