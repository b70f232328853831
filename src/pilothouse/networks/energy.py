"""Diffusion policies that know how likely their actions are: the noise is the slope of one learned number."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Scalar
from pilothouse.core.spaces import Spec
from pilothouse.networks.generative import DenoisingActor, NoiseNetwork, bounded_box, variance_preserving

TIME = 32
"""How many entries a step of the chain becomes, as in the authors' code."""


class EnergyNetwork(eqx.Module):
    r"""The noise in an action as $-\sigma_t \nabla_a f(a, s, t)$: $f$ is its log-density at step t, up to a constant.

    The constant differs by observation and step, so only differences at the same two of them mean anything.

    **Source:** Chen, Zheng, Su and Zhu (EDA), arXiv:2407.09024, section 3.1, as bottleneck diffusion model.
    """

    inner: NoiseNetwork
    steps: int = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        outputs: int,
        width: int,
        blocks: int,
        dropout: float,
        *,
        steps: int,
        key: PRNGKeyArray,
    ):
        # The action enters as it does where noise is predicted; a sum of that many outputs is as good as one.
        self.inner = NoiseNetwork(features, outputs, width, blocks, dropout, embedding=TIME, time_width=TIME, key=key)
        self.steps = steps

    def log_density(
        self,
        features: Float[Array, " features"],
        noisy: Float[Array, " outputs"],
        step: Int[Array, ""],
        key: PRNGKeyArray | None,
    ) -> Scalar:
        """`f`, in nats. With a key dropout is on."""
        return self.inner(features, noisy, step, key).sum()

    def __call__(
        self,
        features: Float[Array, " features"],
        noisy: Float[Array, " outputs"],
        step: Int[Array, ""],
        key: PRNGKeyArray | None,
    ) -> Float[Array, " outputs"]:
        deviation = jnp.sqrt(1.0 - jnp.asarray(variance_preserving(self.steps)[1])[step])
        return -deviation * jax.grad(self.log_density, argnums=1)(features, noisy, step, key)


def energy_actor(
    spec: Spec, width: int = 256, blocks: int = 3, steps: int = 100, *, dropout: float = 0.1
) -> Initialise:
    """A diffusion policy for bounded Box actions whose noise is the slope of a log-density."""
    bounded_box(spec, "An energy actor")
    network = partial(EnergyNetwork, steps=steps)
    return lambda key: DenoisingActor(spec, width, blocks, steps, dropout=dropout, network=network, key=key)


def log_density(actor: DenoisingActor, obs: PyTree, noisy: Float[Array, "*action"], step: Int[Array, ""]) -> Scalar:
    """How likely an actor of `energy_actor` holds a noisy action at a step to be, in nats up to a constant of both."""
    assert isinstance(actor.network, EnergyNetwork)
    return actor.network.log_density(actor.encoder(obs), noisy.reshape(-1), step, None)
