"""Losses of vectors made into losses of pictures: by features that one shared encoder finds in them."""

import jax
from jaxtyping import PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch


def on_features(loss: Loss, *, encoder: str = "encoder") -> Loss:
    """The same loss, of what the part `encoder` makes of `obs` and `next_obs`; through the latter nothing is differentiated.

    Trains what the loss trains, and the encoder too where an objective names it. The critic's should; an actor's that
    stands beside it should not, and then moves nothing but the actor.

    **Source:** Yarats et al. (DrQ-v2), arXiv:2107.09645, whose encoder learns from the critic alone.
    """

    def seen(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        encode = jax.vmap(parts[encoder])
        features = {"obs": encode(batch.obs), "next_obs": jax.lax.stop_gradient(encode(batch.next_obs))}
        return loss(parts, batch.replace(**features), key)

    seen.__name__ = f"{getattr(loss, '__name__', 'loss')} on features"
    return seen
