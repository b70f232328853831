"""Members of an ensemble kept from agreeing outside the data, where their agreement would pass for certainty."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.weighting import average


def alignment(gradients: Float[Array, "*batch members entries"]) -> Float[Array, "*batch"]:
    """The sum of cosines between all ordered pairs of different members' gradients, over the number of members less one.

    All alike gives the number of members; pairs opposed give less than 0. A gradient of 0 is alike with none.

    **Source:** An, Moon, Kim and Song (EDAC), arXiv:2110.01548, equation 4.
    """
    members = gradients.shape[-2]
    # A root at 0 has no derivative: the squares are kept off it.
    size = jnp.sqrt(jnp.square(gradients).sum(axis=-1, keepdims=True) + 1e-20)
    unit = gradients / size
    cosines = jnp.einsum("...ik,...jk->...ij", unit, unit) * (1.0 - jnp.eye(members))
    return cosines.sum(axis=(-2, -1)) / max(members - 1, 1)


def action_gradients_apart(
    parts: Parts, batch: Batch, key: PRNGKeyArray, *, critic: str = "critic"
) -> tuple[Scalar, Aux]:
    """How alike the members' gradients by the data's action are. Trains `critic`; draws nothing.

    **Source:** An, Moon, Kim and Song (EDAC), arXiv:2110.01548, equation 4 and algorithm 1.
    """
    del key
    gradients = jax.vmap(parts[critic].action_gradients)(batch.obs, batch.action)
    alike = alignment(gradients.reshape(*gradients.shape[:2], -1))
    return average(batch, alike), {f"{critic}/alignment": alike.mean()}
