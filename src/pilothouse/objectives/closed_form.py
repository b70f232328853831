"""Policy improvement without a policy to train: the best action near a behaviour, in closed form.

Near the behaviour the value is taken to be linear in the action, so that the best action within a distance of a normal's
mean is known; for a mixture of normals two bounds of its density each give such a problem.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.mixtures import Mixture
from pilothouse.objectives.weighting import average

TINY = 1e-12
"""Keeps a gradient of zero, or members that agree, from a division by zero."""


def furthest(
    mean: Float[Array, " action"],
    variance: Float[Array, " action"],
    gradient: Float[Array, " action"],
    radius: Float[Array, ""] | float,
) -> Float[Array, " action"]:
    r"""Where `gradient` . action is highest within so many standard deviations (Mahalanobis) of `mean`.

    $\mu + r \Sigma g / \sqrt{g^T \Sigma g}$, with $\Sigma$ diagonal.

    **Source:** Li et al. (CFPI), arXiv:2211.15956, proposition 3.1.
    """
    return mean + radius * variance * gradient / jnp.sqrt((gradient**2 * variance).sum() + TINY)


def radii(behaviour: Mixture, slack: float | Array) -> Float[Array, " components"]:
    r"""How far from each component's mean one may go: no further than to a density `slack` nats below the highest peak.

    By $\log \sum_i w_i N_i \ge \max_i (\log w_i + \log N_i)$; $\sqrt{2 (slack + h_i - \max_j h_j)}$ with the peaks' heights
    $h_i = \log w_i + \log N_i(\mu_i)$, and 0 for a component whose peak is itself too low.

    **Source:** Li et al., arXiv:2211.15956, section 3.2, with the threshold of the authors' code.
    """
    peaks = behaviour.log_weights - behaviour.log_stds.sum(axis=-1)  # what all have in common cancels
    return jnp.sqrt(2 * jnp.maximum(slack + peaks - peaks.max(), 0.0))


def joined(behaviour: Mixture, slack: float | Array) -> tuple[Array, Array, Array]:
    r"""`(mean, variance, radius squared)` of the ball in which $-\sum_i w_i \log N_i$ is at most `slack` over its constant.

    By Jensen's inequality. A negative square says that the components lie too far apart for any such action.

    **Source:** Li et al., arXiv:2211.15956, section 3.2, with the threshold of the authors' code.
    """
    precision = jnp.exp(behaviour.log_weights[:, None] - 2 * behaviour.log_stds)
    total = precision.sum(axis=0)
    mean = (precision * behaviour.means).sum(axis=0) / total
    apart = (precision * behaviour.means**2).sum() - (total * mean**2).sum()
    return mean, 1 / total, 2 * slack - apart


def lower_bound(q: Float[Array, "*rows members"], pessimism: float | Array) -> Float[Array, "*rows"]:
    """The members' mean less `pessimism` of their (population) standard deviations."""
    return q.mean(axis=-1) - pessimism * jnp.sqrt(q.var(axis=-1) + TINY)


def fit_density(*, actor: str = "behaviour") -> Loss:
    """Minus the mean log-density of the data's actions under a mixture. Trains `actor`; draws nothing."""

    def density(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        flat = batch.action.reshape(batch.action.shape[0], -1)
        log_prob = jax.vmap(lambda obs, action: parts[actor](obs).log_prob(action))(batch.obs, flat)
        loss = average(batch, -log_prob)
        return loss, {f"{actor}/negative_log_density": loss}

    return density


def behaviour_td(*, critic: str = "critic", slow: str = "critic/slow") -> Loss:
    """Squared error of each member to its own slow value of what the data did next: the behaviour's value, not the best.

    Rows at a cut, where no action follows, count nothing. The batch has `next_action` and `follows` (`Following`). Trains
    `critic`; draws nothing.
    """

    def td(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        next_q = jax.vmap(parts[slow])(batch.next_obs, batch.next_action)
        target = batch.reward[:, None] + batch.discount[:, None] * jax.lax.stop_gradient(next_q)
        q = jax.vmap(parts[critic])(batch.obs, batch.action)
        known = batch.follows | (batch.discount == 0)
        loss = jnp.where(known, jnp.square(q - target).sum(axis=-1), 0.0)
        return average(batch, loss), {f"{critic}/q_mean": q.mean()}

    return td
