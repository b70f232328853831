"""Editing drawn actions: a small policy that moves another's action a little, and the choice among both by value."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import Generator, bounded_box
from pilothouse.networks.mlp import MLP


class EditActor(eqx.Module):
    """One observation and one action -> a squashed normal over edits in (-1, 1), one for each entry of the action."""

    encoder: Encoder
    body: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 256, depth: int = 2, *, key: PRNGKeyArray):
        encoder_key, body_key = jax.random.split(key)
        space = bounded_box(spec, "An edit of actions")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.body = MLP(self.encoder.size + space.size, 2 * space.size, width, depth, key=body_key)
        self.shape, self.bounds = space.shape, (-20.0, 2.0)

    def __call__(self, obs: PyTree, action: Float[Array, "*action"]) -> SquashedGaussian:
        mean, log_std = jnp.split(self.body(jnp.concatenate([self.encoder(obs), action.reshape(-1)])), 2)
        log_std = jnp.clip(log_std, *self.bounds)
        return SquashedGaussian(mean.reshape(self.shape), log_std.reshape(self.shape), len(self.shape))


def edited(
    action: Float[Array, "*shape"], edit: Float[Array, "*shape"], reach: float | Array
) -> Float[Array, "*shape"]:
    """The action moved by `reach` times an edit in [-1, 1], kept within [-1, 1]."""
    return jnp.clip(action + reach * edit, -1.0, 1.0)


class BestEdited(eqx.Module):
    """Of `number` actions of a generator and each of them edited, the one whose lowest value is highest.

    Without an `edit` (None) it chooses among the generator's own.

    **Source:** Dong, Li, Sadigh and Finn (EXPO), arXiv:2507.07986, as the policy made on the fly.
    """

    base: Generator
    edit: Callable[[PyTree, Array], SquashedGaussian] | None
    critic: Callable[[PyTree, PyTree], Float[Array, " members"]]
    reach: Float[Array, ""] | float
    number: int = eqx.field(static=True)

    def sample(self, obs: PyTree, key: PRNGKeyArray) -> Float[Array, "*action"]:
        """One action for one observation."""
        keys = jax.random.split(key, self.number)
        actions, edit = jax.vmap(lambda own: self.base.sample(obs, own))(keys), self.edit
        if edit is not None:

            def moved(action: Array, own: PRNGKeyArray) -> Array:
                return edited(action, edit(obs, action).sample(named(own, "edit")), self.reach)

            actions = jnp.concatenate([actions, jax.vmap(moved)(actions, keys)])
        values = jax.vmap(lambda action: self.critic(obs, action).min())(actions)
        return actions[jnp.argmax(values)]


def edit_actor(spec: Spec, width: int = 256, depth: int = 2) -> Initialise:
    """A policy of edits for bounded Box actions: `(obs, action) -> distribution over edits`."""
    bounded_box(spec, "An edit of actions")
    return lambda key: EditActor(spec, width, depth, key=key)
