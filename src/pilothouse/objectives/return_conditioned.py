"""Cloning what was done, given what came of it: returns-to-go in the units that a policy is told."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.objectives.cloning import cloning_loss
from pilothouse.objectives.weighting import average


class ReturnScale(NamedTuple):
    """What a policy that is told a return knows of returns: mean and deviation of returns-to-go, and the return to ask for."""

    mean: Float[Array, ""]
    std: Float[Array, ""]
    target: Float[Array, ""]

    def told(self, to_go: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Returns-to-go as a policy is told them: standardised."""
        return (to_go - self.mean) / self.std


def clone_sequences(rate: float | Array = 0.1, *, actor: str = "actor", returns: str = "returns") -> Loss:
    """Cloning of every action in a stretch, given the returns-to-go, observations and actions before it. Trains `actor`.

    The batch is that of `Trajectories`; padding counts nothing. `rate` is that of dropout, which draws `dropout`.

    **Source:** Chen et al., arXiv:2106.01345, algorithm 1.
    """

    def clone_sequence(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        def one(row: Batch, own: PRNGKeyArray) -> Float[Array, " step"]:
            told = parts[returns].told(row.return_to_go)
            output = parts[actor](told, row.obs, row.action, row.step, row.valid, rate=rate, key=own)
            return cloning_loss(output, row.action)

        keys = jax.random.split(named(key, "dropout"), batch.reward.shape[0])
        rows = Batch(**{name: batch[name] for name in ("return_to_go", "obs", "action", "step", "valid")})
        loss = average(batch, jax.vmap(one)(rows, keys))
        return loss, {f"{actor}/cloning_loss": loss}

    return clone_sequence


def untrained_scale(key: PRNGKeyArray) -> ReturnScale:
    """Before anything is known of returns."""
    del key
    return ReturnScale(jnp.zeros(()), jnp.ones(()), jnp.zeros(()))
