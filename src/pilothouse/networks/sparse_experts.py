"""A sparse mixture of linear experts: at every observation a linear router picks one linear law, which alone acts."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import Linear


class SparseExperts(eqx.Module):
    """Observation -> tanh of a normal whose mean and log standard deviation are linear, by the expert that is picked.

    The router's softmax picks the likeliest expert and scales what it says by its probability, through which the router
    learns. Log deviations are tanh of what the expert says, moved into `bounds`.

    **Source:** Vincze et al. (SMOSE), arXiv:2412.13053, and the authors' code.
    """

    encoder: Encoder
    router: Linear
    weight: Float[Array, "experts features outputs"]
    bias: Float[Array, "experts outputs"]
    shape: tuple[int, ...] = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(self, spec: Spec, experts: int = 8, *, bounds: tuple[float, float] = (-5.0, 2.0), key: PRNGKeyArray):
        encoder_key, router_key, *keys = jax.random.split(key, 2 + experts)
        space = bounded_box(spec, "A mixture of linear experts")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.router = Linear(self.encoder.size, experts, key=router_key)
        laws = [Linear(self.encoder.size, 2 * space.size, key=own) for own in keys]
        self.weight = jnp.stack([law.weight for law in laws])
        self.bias = jnp.stack([law.bias for law in laws])
        self.shape, self.bounds = space.shape, bounds

    @property
    def experts(self) -> int:
        return len(self.bias)

    def scores(self, obs: PyTree) -> Float[Array, " experts"]:
        """The router's logits."""
        return self.router(self.encoder(obs))

    def __call__(self, obs: PyTree, noise: Float[Array, " experts"] | None = None) -> SquashedGaussian:
        """The distribution of the picked expert; `noise` is added to the router's logits."""
        scores = self.scores(obs)
        return self.by(obs, jnp.argmax(scores if noise is None else scores + noise), noise)

    def by(self, obs: PyTree, expert: Array, noise: Float[Array, " experts"] | None = None) -> SquashedGaussian:
        """The distribution of one expert, scaled by the probability that the router gives it."""
        scores = self.scores(obs)
        share = jax.nn.softmax(scores if noise is None else scores + noise)[expert]
        said = share * (self.encoder(obs) @ self.weight[expert] + self.bias[expert])
        mean, log_std = jnp.split(said, 2)
        low, high = self.bounds
        log_std = low + 0.5 * (high - low) * (jnp.tanh(log_std) + 1.0)
        return SquashedGaussian(mean.reshape(self.shape), log_std.reshape(self.shape), len(self.shape))


def sparse_experts(spec: Spec, experts: int = 8) -> Initialise:
    """So many linear experts behind a linear router, for bounded Box actions."""
    bounded_box(spec, "A mixture of linear experts")
    return lambda key: SparseExperts(spec, experts, key=key)
