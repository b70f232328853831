"""Losses of methods that turn continuous actions into codes: the quantiser's, and conservative values of the codes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.temporal_difference import chosen, greedy_value, squared_td_loss
from pilothouse.objectives.weighting import average


def codebook_loss(
    embedded: Float[Array, "*batch embedding"], entry: Float[Array, "*batch embedding"]
) -> Float[Array, " *batch"]:
    r"""Mean over entries of $(sg[e] - z)^2 + (e - sg[z])^2$: the embedding $z$ commits to its code, whose entry $e$ follows.

    **Source:** van den Oord, Vinyals and Kavukcuoglu, arXiv:1711.00937, equation 3, with both weights 1 and means over entries as in SAQ's code.
    """
    commits = jnp.square(jax.lax.stop_gradient(entry) - embedded)
    follows = jnp.square(entry - jax.lax.stop_gradient(embedded))
    return (commits + follows).mean(axis=-1)


def straight_through(
    embedded: Float[Array, "*batch embedding"], entry: Float[Array, "*batch embedding"]
) -> Float[Array, "*batch embedding"]:
    """`entry`, with the gradient of `embedded`: rounding that a gradient passes as if it were not there."""
    return embedded + jax.lax.stop_gradient(entry - embedded)


def quantise_actions(quantiser: str = "quantiser") -> Loss:
    """Squared error of the data's actions after rounding to a code, summed over entries, plus the codebook's loss.

    Trains `quantiser`; draws nothing.

    **Source:** Luo et al. (SAQ), arXiv:2310.11731, with the sums and means of the authors' code.
    """

    def quantisation(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        network = parts[quantiser]
        embedded = jax.vmap(network.embed)(batch.obs, batch.action)
        code = jax.vmap(network.nearest)(embedded)
        entry = network.codebook[code]
        action = jax.vmap(network.generated)(batch.obs, straight_through(embedded, entry))
        error = jnp.square(action - batch.action).sum(axis=tuple(range(1, action.ndim)))
        seen = jnp.zeros(len(network.codebook)).at[code].set(1.0)
        aux = {f"{quantiser}/error": average(batch, error), f"{quantiser}/codes_used": seen.sum()}
        return average(batch, error + codebook_loss(embedded, entry)), aux

    return quantisation


def discrete_gap(values: Float[Array, "*batch choices"], value: Float[Array, " *batch"]) -> Float[Array, " *batch"]:
    r"""$\log \sum_a e^{Q(s, a)} - Q(s, a_{data})$, exact over all choices: never negative.

    **Source:** Kumar et al. (CQL), arXiv:2006.04779, equation 4.
    """
    return jax.nn.logsumexp(values, axis=-1) - value


def conservative_codes_td(
    weight: float | Array = 1.0, *, quantiser: str = "quantiser", critic: str = "critic", slow: str = "critic/slow"
) -> Loss:
    """Squared error of the value of the code that the data's action has, and `weight` times the exact gap of CQL.

    The live critic chooses the next code and the slow one values it. Trains `critic`; draws nothing.

    **Source:** Luo et al. (SAQ-CQL), arXiv:2310.11731, by the authors' code.
    """

    def conservative(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        code = jax.lax.stop_gradient(jax.vmap(parts[quantiser].code)(batch.obs, batch.action))
        values = jax.vmap(parts[critic])(batch.obs)
        chooser = jax.vmap(parts[critic])(batch.next_obs)
        target = batch.reward + batch.discount * greedy_value(jax.vmap(parts[slow])(batch.next_obs), chooser)
        q = chosen(values, code)
        gap = discrete_gap(values, q)
        error = average(batch, squared_td_loss(q[:, None], target))
        about = {f"{critic}/q_mean": q.mean(), f"{critic}/target_mean": target.mean(), f"{critic}/gap": gap.mean()}
        return error + weight * average(batch, gap), about

    return conservative
