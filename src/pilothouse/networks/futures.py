"""Latent choices that stand for a future: who reads one off what happened, and who tells what luck it holds."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import DictSpace, Discrete, Spec
from pilothouse.networks.distributions import Categorical
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.mlp import MLP
from pilothouse.networks.recurrent import GatedUnit


class FutureEncoder(eqx.Module):
    """The steps from now on, leading axis `[step]` -> which of the latent choices they are: q(z | future).

    A gated recurrent unit reads them backwards, so that the present comes last; steps that are not `valid` are passed over.
    """

    encoder: Encoder
    action_encoder: Encoder
    cell: GatedUnit
    head: MLP
    size: int = eqx.field(static=True)

    def __init__(self, spec: Spec, choices: int, width: int = 64, *, key: PRNGKeyArray):
        keys = jax.random.split(key, 4)
        self.encoder, self.action_encoder = Encoder(spec.obs, key=keys[0]), Encoder(spec.action, key=keys[1])
        self.cell = GatedUnit(self.encoder.size + self.action_encoder.size + 1, width, key=keys[2])
        self.head = MLP(width, choices, width, 1, key=keys[3])
        self.size = width

    def __call__(
        self, obs: PyTree, action: PyTree, reward: Float[Array, " step"], valid: Bool[Array, " step"]
    ) -> Categorical:
        steps = [jax.vmap(self.encoder)(obs), jax.vmap(self.action_encoder)(action), reward[:, None]]

        def read(memory: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
            return jnp.where(row[1], self.cell(row[0], memory), memory), None

        rows = (jnp.concatenate(steps, axis=-1), valid)
        memory, _ = jax.lax.scan(read, jnp.zeros(self.size), rows, reverse=True)
        return Categorical(self.head(memory))


class OutcomeEnergy(eqx.Module):
    """f(reward, next_obs; obs, action, z): how well what a step brought suits each latent choice, as an inner product.

    `cause` embeds an observation and an action with every choice, `outcome` what followed.
    """

    encoder: Encoder
    action_encoder: Encoder
    causes: MLP
    outcomes: MLP
    choices: int = eqx.field(static=True)

    def __init__(self, spec: Spec, choices: int, width: int = 64, depth: int = 2, *, key: PRNGKeyArray):
        keys = jax.random.split(key, 4)
        self.encoder, self.action_encoder = Encoder(spec.obs, key=keys[0]), Encoder(spec.action, key=keys[1])
        inputs = self.encoder.size + self.action_encoder.size
        self.causes = MLP(inputs, choices * width, width, depth, key=keys[2])
        self.outcomes = MLP(self.encoder.size + 1, width, width, depth, key=keys[3])
        self.choices = choices

    def cause(self, obs: PyTree, action: PyTree) -> Float[Array, "choices width"]:
        known = jnp.concatenate([self.encoder(obs), self.action_encoder(action)])
        return self.causes(known).reshape(self.choices, -1)

    def outcome(self, reward: Float[Array, ""], next_obs: PyTree) -> Float[Array, " width"]:
        return self.outcomes(jnp.append(self.encoder(next_obs), reward))


def future_encoder(spec: Spec, choices: int, width: int = 64) -> Initialise:
    """Reads off a future which of so many choices it is."""
    return lambda key: FutureEncoder(spec, choices, width, key=key)


def outcome_energy(spec: Spec, choices: int, width: int = 64, depth: int = 2) -> Initialise:
    """Tells how well an outcome suits each of so many choices."""
    return lambda key: OutcomeEnergy(spec, choices, width, depth, key=key)


def told_choice(spec: Spec, choices: int) -> Spec:
    """What somebody observes who is told one of so many choices too: a Dict of `obs` and `choice`."""
    return Spec(DictSpace.of({"choice": Discrete(choices), "obs": spec.obs}), spec.action)
