"""Behaviour functions: from an observation and a command, what return to earn in how many steps, to choices."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.distributions import Categorical
from pilothouse.networks.forest import Forest, even_forest
from pilothouse.networks.mlp import MLP, Linear

COMMAND = 2
"""A command is a return and a number of steps."""

SCALE = 0.02
"""What a network's commands are multiplied by: it minds the size of what it reads."""

LEAST = 1e-6
"""The probability of a choice that no leaf names: its logarithm stays finite."""


class ByForest(eqx.Module):
    """The share of leaves that name each choice, for the observation with the command behind it."""

    forest: Forest

    def __call__(self, obs: Float[Array, "*shape"], command: Float[Array, " 2"]) -> Categorical:
        return Categorical(jnp.log(jnp.maximum(self.forest(jnp.concatenate([obs.ravel(), command])), LEAST)))


class Gated(eqx.Module):
    """Observation and command each through a sigmoid layer, multiplied, and on through a perceptron."""

    of_obs: Linear
    of_command: Linear
    body: MLP

    def __call__(self, obs: Float[Array, "*shape"], command: Float[Array, " 2"]) -> Categorical:
        gate = jax.nn.sigmoid(self.of_command(command * SCALE))
        return Categorical(self.body(jax.nn.sigmoid(self.of_obs(obs.ravel())) * gate))


def unguided(spec: Spec, trees: int, nodes: int) -> Initialise:
    """A forest in which every choice is as likely as any other."""
    make = even_forest(trees, nodes, spec.action.size)
    return lambda key: ByForest(make(key))


def gated(spec: Spec, width: int, depth: int) -> Initialise:
    """A gated network for one choice."""
    size: Any = spec.obs.size

    def make(key: PRNGKeyArray) -> Gated:
        first, second, third = jax.random.split(key, 3)
        body = MLP(width, spec.action.size, width, depth, key=third)
        return Gated(Linear(size, width, key=first), Linear(COMMAND, width, key=second), body)

    return make
