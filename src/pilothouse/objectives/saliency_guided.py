"""Losses by which a Q-network looks where it has to look: its values rest on what it attributes them to, and it can say so."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.pictures import Through, guided
from pilothouse.objectives.temporal_difference import chosen, dqn_td
from pilothouse.objectives.weighting import average


def attribution(critic: Through, obs: Array, action: Array) -> Float[Array, "batch height width channels"]:
    """How much each pixel speaks for the value of the action taken: its gradient by guided backpropagation."""
    network = guided(critic)

    def value(pixels: Array, own: Array) -> Array:
        return network(pixels)[own]

    return jax.lax.stop_gradient(jax.vmap(jax.grad(value))(obs.astype(jnp.float32), action))


def salient(
    attribution: Float[Array, "batch height width channels"], quantile: float | Array
) -> Bool[Array, "batch height width channels"]:
    """Pixels whose attribution is, in size, at or above this quantile of their own channel (one grey frame each)."""
    size = jnp.abs(attribution)
    return size >= jnp.quantile(size, quantile, axis=(1, 2), keepdims=True)


def filled(obs: Array, mask: Bool[Array, "*pixels"], key: PRNGKeyArray) -> Float[Array, "*pixels"]:
    """The pixels of `mask`; the rest are one random grey, between the lowest and the highest of the batch."""
    pixels = obs.astype(jnp.float32)
    grey = jax.random.uniform(key, (), minval=pixels.min(), maxval=pixels.max())
    return jnp.where(mask, pixels, grey)


def saliency_consistent_td(
    quantile: float | Array = 0.95, weight: float | Array = 0.5, *, critic: str = "critic", slow: str = "critic/slow"
) -> Loss:
    """Deep Q-learning's loss, and `weight` times the squared change of the value when only salient pixels are left.

    Both values of that change carry gradient, the mask none. Trains `critic`; draws `grey`.

    **Source:** Bertoin et al. (SGQN), arXiv:2209.09203, and the authors' code, which fills masked pixels so.
    """
    plain = dqn_td(critic=critic, slow=slow)

    def consistent(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        loss, about = plain(parts, batch, key)
        mask = salient(attribution(parts[critic], batch.obs, batch.action), quantile)
        masked = filled(batch.obs, mask, named(key, "grey"))
        values = [chosen(jax.vmap(parts[critic])(seen), batch.action) for seen in (batch.obs, masked)]
        change = average(batch, jnp.square(values[0] - values[1]))
        return loss + weight * change, {**about, f"{critic}/masked_change": change}

    return consistent


def tell_saliency(quantile: float | Array = 0.95, *, critic: str = "critic", teller: str = "saliency") -> Loss:
    """Cross-entropy of what `teller` says of each pixel, salient or not, from a mixed picture's features and the action.

    Trains `teller` and the encoder of `critic`, whose own attribution of the picture itself is the truth. A batch has the
    mixed pictures as `mixed`. Draws nothing.

    **Source:** Bertoin et al. (SGQN), arXiv:2209.09203, and the authors' code.
    """

    def telling(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        network: Through = parts[critic]
        mask = salient(attribution(network, batch.obs, batch.action), quantile)
        features = jax.vmap(network.encoder)(batch.mixed)
        choice = jax.nn.one_hot(batch.action, network.head.layers[-1].bias.shape[0])  # pyright: ignore
        logits = jax.vmap(parts[teller])(jnp.concatenate([features, choice], axis=-1)).reshape(mask.shape)
        loss = average(batch, optax.sigmoid_binary_cross_entropy(logits, mask).mean(axis=(1, 2, 3)))
        return loss, {f"{teller}/cross_entropy": loss}

    return telling
