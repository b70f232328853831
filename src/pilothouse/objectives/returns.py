"""Returns and advantages along time. All arrays have time as their leading axis; further axes are independent.

`terminated` and `truncated` stay apart: after a termination nothing follows, after a truncation the value of the true
next observation still counts, and no recursion reaches over either into the next episode.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Discount = float | Array
"""A number, or one per step where steps last differently."""


def generalised_advantages(
    reward: Float[Array, "time *rest"],
    value: Float[Array, "time *rest"],
    next_value: Float[Array, "time *rest"],
    terminated: Bool[Array, "time *rest"],
    truncated: Bool[Array, "time *rest"],
    *,
    discount: Discount,
    lam: float | Array,
    valid: Bool[Array, "time *rest"] | None = None,
) -> Float[Array, "time *rest"]:
    r"""$A_t = \delta_t + \gamma\lambda A_{t+1}$ within an episode, $\delta_t = r_t + \gamma V(s'_t) - V(s_t)$.

    `next_value` is the value of the true next observation, so rows at the end of the segment bootstrap from it too.
    Rows that are not `valid` give 0 and stop the recursion. Add `value` for the returns of `lambda_returns`.

    **Source:** Schulman et al., arXiv:1506.02438, equations 11 and 16.
    """
    goes_on = discount * (1.0 - terminated)
    delta = reward + jnp.where(terminated, 0.0, discount * next_value) - value
    carries = goes_on * lam * (1.0 - truncated)
    if valid is not None:
        delta, carries = jnp.where(valid, delta, 0.0), jnp.where(valid, carries, 0.0)
    return _backwards(delta, carries, jnp.zeros_like(delta[0]))


def lambda_returns(
    reward: Float[Array, "time *rest"],
    next_value: Float[Array, "time *rest"],
    terminated: Bool[Array, "time *rest"],
    truncated: Bool[Array, "time *rest"],
    *,
    discount: Discount,
    lam: float | Array,
) -> Float[Array, "time *rest"]:
    r"""$G_t = r_t + \gamma((1-\lambda)V(s'_t) + \lambda G_{t+1})$, with $G_{t+1}$ replaced by $V(s'_t)$ where an
    episode or the segment ends, and by 0 where it terminated.

    `lam` 0 gives one-step targets, 1 gives `discounted_returns`.

    **Source:** Sutton and Barto, Reinforcement Learning (2018), equation 12.20.
    """
    last = jnp.zeros_like(truncated).at[-1].set(True)
    ends = truncated | last
    follows = discount * (1.0 - terminated)
    here = reward + jnp.where(terminated, 0.0, follows * jnp.where(ends, 1.0, 1.0 - lam) * next_value)
    return _backwards(here, follows * lam * (1.0 - ends), jnp.zeros_like(here[0]))


def discounted_returns(
    reward: Float[Array, "time *rest"],
    next_value: Float[Array, "time *rest"],
    terminated: Bool[Array, "time *rest"],
    truncated: Bool[Array, "time *rest"],
    *,
    discount: Discount,
) -> Float[Array, "time *rest"]:
    """Discounted sum of rewards to the end of the episode; truncations, and the segment's end, add `next_value`.

    For plain sums of what was seen pass a `next_value` of zeros.
    """
    return lambda_returns(reward, next_value, terminated, truncated, discount=discount, lam=1.0)


def n_step_returns(
    reward: Float[Array, "time *rest"],
    next_value: Float[Array, "time *rest"],
    terminated: Bool[Array, "time *rest"],
    truncated: Bool[Array, "time *rest"],
    *,
    discount: Discount,
    steps: int,
) -> Float[Array, "time *rest"]:
    """Up to `steps` rewards, then the value of the observation reached; fewer where the episode or segment ends."""
    discount = jnp.broadcast_to(jnp.asarray(discount, jnp.float32), reward.shape)
    last = jnp.zeros_like(truncated).at[-1].set(True)
    ends = terminated | truncated | last
    one = reward + jnp.where(terminated, 0.0, discount * next_value)
    total = one
    for _ in range(steps - 1):
        later = jnp.roll(total, -1, axis=0)
        total = jnp.where(ends, one, reward + discount * later)
    return total


def _backwards(here: Array, carries: Array, start: Array) -> Array:
    """`x[t] = here[t] + carries[t] * x[t + 1]`, with x beyond the end equal to `start`."""

    def step(following: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        now = row[0] + row[1] * following
        return now, now

    carries = jnp.broadcast_to(carries, here.shape).astype(here.dtype)
    return jax.lax.scan(step, start, (here, carries), reverse=True)[1]
