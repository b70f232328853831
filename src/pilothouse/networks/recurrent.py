"""Networks with memory: one observation and a carry in, a carry out; or a whole segment at once."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Scalar
from pilothouse.core.spaces import Space, Spec
from pilothouse.networks.actors import box_size, distribution_over
from pilothouse.networks.distributions import Distribution
from pilothouse.networks.encoders import Encoder, mask_in
from pilothouse.networks.mlp import MLP, Linear


class GatedUnit(eqx.Module):
    """A gated recurrent unit: `cell(x, h) -> h`.

    **Source:** Cho et al., arXiv:1406.1078, section 2.3, with the reset gate applied after the product.
    """

    inputs: Linear
    hidden: Linear

    def __init__(self, inputs: int, size: int, *, key: PRNGKeyArray):
        input_key, hidden_key = jax.random.split(key)
        self.inputs = Linear(inputs, 3 * size, orthogonal=1.0, key=input_key)
        self.hidden = Linear(size, 3 * size, orthogonal=1.0, key=hidden_key)

    def __call__(self, x: Float[Array, " inputs"], h: Float[Array, " size"]) -> Float[Array, " size"]:
        x_reset, x_keep, x_new = jnp.split(self.inputs(x), 3)
        h_reset, h_keep, h_new = jnp.split(self.hidden(h), 3)
        keep = jax.nn.sigmoid(x_keep + h_keep)
        new = jnp.tanh(x_new + jax.nn.sigmoid(x_reset + h_reset) * h_new)
        return (1 - keep) * new + keep * h


class RecurrentActorAndValue(eqx.Module):
    """`agent(obs, carry) -> (distribution, value, carry)`: both heads read one gated recurrent unit."""

    encoder: Encoder
    embed: Linear
    cell: GatedUnit
    policy: MLP
    critic: MLP
    log_std: Float[Array, " box"]
    space: Space = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 64, size: int = 64, *, key: PRNGKeyArray):
        encoder_key, embed_key, cell_key, policy_key, critic_key = jax.random.split(key, 5)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        gain = math.sqrt(2)
        self.embed = Linear(self.encoder.size, width, orthogonal=gain, key=embed_key)
        self.cell = GatedUnit(width, size, key=cell_key)
        heads = {"width": width, "depth": 1, "activation": jnp.tanh, "orthogonal": gain}
        self.policy = MLP(size, spec.action.size, **heads, final_scale=0.01, key=policy_key)
        self.critic = MLP(size, 1, **heads, final_scale=1.0, key=critic_key)
        self.log_std = jnp.zeros(box_size(spec.action), jnp.float32)
        self.space, self.size = spec.action, size

    def initial_carry(self) -> Float[Array, " size"]:
        """What an episode begins with: zeros."""
        return jnp.zeros(self.size, jnp.float32)

    def __call__(self, obs: PyTree, carry: Float[Array, " size"]) -> tuple[Distribution, Scalar, Float[Array, " size"]]:
        carry = self.cell(self._features(obs), carry)
        return *self._heads(obs, carry), carry

    def unroll(
        self, obs: PyTree, starts: Bool[Array, " time"], carry: Float[Array, " size"]
    ) -> tuple[Distribution, Float[Array, " time"]]:
        """A segment at once, obs `(time, …)`: distributions and values. Where `starts` holds the memory begins anew."""

        def remember(h: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            h = self.cell(row[0], jnp.where(row[1], self.initial_carry(), h))
            return h, h

        _, memories = jax.lax.scan(remember, carry, (jax.vmap(self._features)(obs), starts))
        return jax.vmap(self._heads)(obs, memories)

    def _features(self, obs: PyTree) -> Float[Array, " width"]:
        return jnp.tanh(self.embed(self.encoder(obs)))

    def _heads(self, obs: PyTree, carry: Float[Array, " size"]) -> tuple[Distribution, Scalar]:
        distribution = distribution_over(self.space, self.policy(carry), self.log_std, mask_in(obs))
        return distribution, self.critic(carry)[0]


def recurrent_actor_and_value(spec: Spec, width: int = 64, size: int = 64) -> Initialise:
    """A policy and a value that remember: `agent(obs, carry) -> (distribution, value, carry)`."""
    return lambda key: RecurrentActorAndValue(spec, width, size, key=key)
