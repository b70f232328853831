"""Losses of sparse autoencoders: to say activations with few features, and to tell pairs apart with some of them."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.weighting import average


def sparse_reconstruction_loss(
    x: Float[Array, "*rows inputs"],
    said: Float[Array, "*rows inputs"],
    features: Float[Array, "*rows units"],
    sparsity: float | Array,
) -> Float[Array, "*rows"]:
    """Squared error summed over inputs, plus `sparsity` times the sum of the features (which are not negative).

    **Source:** Cunningham et al., arXiv:2309.08600, equation 4, of dictionaries with directions of length 1.
    """
    return ((x - said) ** 2).sum(axis=-1) + sparsity * features.sum(axis=-1)


def contrast_loss(
    one: Float[Array, "*rows units"], other: Float[Array, "*rows units"], common: int
) -> Float[Array, "*rows"]:
    """Of a pair: the distance of its first `common` features, plus the overlap of the others.

    The sum of |c - c'| over common features and of d d' over differential ones. It is 0 where the first are the same in
    both and no other is active in both; it does not say which of the two is the better.

    **Source:** Poupart, arXiv:2406.04028, in the form of the authors' code.
    """
    apart = jnp.abs(one[..., :common] - other[..., :common]).sum(axis=-1)
    return apart + (one[..., common:] * other[..., common:]).sum(axis=-1)


def reconstruct_sparsely(sparsity: float | Array, *, autoencoder: str = "autoencoder") -> Loss:
    """`sparse_reconstruction_loss` of the batch's `x`. Trains `autoencoder`; draws nothing."""

    def sparse_reconstruction(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        network = parts[autoencoder]
        features = network.encode(batch.x)
        losses = sparse_reconstruction_loss(batch.x, network.decode(features), features, sparsity)
        return average(batch, losses), {f"{autoencoder}/active": (features > 0).sum(axis=-1).mean()}

    return sparse_reconstruction


def reconstruct_pairs(
    sparsity: float | Array, contrast: float | Array, common: int, *, autoencoder: str = "autoencoder"
) -> Loss:
    """The mean of `sparse_reconstruction_loss` over both of a pair (`one`, `other`), plus `contrast` times
    `contrast_loss`. Trains `autoencoder`; draws nothing."""

    def contrastive_reconstruction(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        network = parts[autoencoder]
        x = jnp.stack([batch.one, batch.other])
        features = network.encode(x)
        losses = sparse_reconstruction_loss(x, network.decode(features), features, sparsity).mean(axis=0)
        apart = contrast_loss(features[0], features[1], common)
        aux = {f"{autoencoder}/active": (features > 0).sum(axis=-1).mean(), f"{autoencoder}/contrast": apart.mean()}
        return average(batch, losses + contrast * apart), aux

    return contrastive_reconstruction
