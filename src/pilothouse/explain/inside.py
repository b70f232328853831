"""What a policy of ours knows beside its action: the last hidden layer, the value and the probabilities at observations.

Policies from elsewhere tell what they know by themselves, as the `extra` of `act_many`, while they are watched.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pilothouse.core.spaces import Box
from pilothouse.explain.watched import Watched
from pilothouse.networks.actors import ActorAndValue
from pilothouse.networks.mlp import MLP
from pilothouse.policies.actor_critic import ModeOfAgent, SampledWithValue
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.policy import Mode, Sampled
from pilothouse.policies.scaling import Scaled

TOLD = ("latent", "value", "probabilities")
"""The extras that `with_told` may add."""


def hidden(network: MLP, x: Float[Array, " inputs"]) -> Float[Array, " width"]:
    """The activations that the last layer of a network reads."""
    for position, layer in enumerate(network.layers[:-1]):
        x = layer(x)
        if network.norms:
            x = network.norms[position](x)
        x = network.activation(x)
    return x


def told_at(policy: Any, obs: Any) -> dict[str, Array]:
    """What is known of `latent`, `value` and `probabilities` at one observation; without those that are not."""
    match policy:
        case Scaled():
            return told_at(policy.policy, obs if policy.mean is None else (obs - policy.mean) / policy.std)
        case Mode() | Sampled():
            found = _latent(policy.actor, obs)
        case ModeOfAgent() | SampledWithValue():
            found = _latent(policy.agent, obs)
            found["value"] = jnp.asarray(policy.agent(obs)[1])
        case _:
            inner = getattr(policy, "policy", None)
            inner = getattr(policy, "carried", None) if inner is None else inner
            return {} if inner is None else told_at(inner, obs)
    probabilities = probabilities_at(policy, obs)
    return found if probabilities is None else {**found, "probabilities": probabilities}


def _latent(network: Any, obs: Any) -> dict[str, Array]:
    body = network.policy if isinstance(network, ActorAndValue) else getattr(network, "body", None)
    if not isinstance(body, MLP) or not hasattr(network, "encoder"):
        return {}
    return {"latent": hidden(body, network.encoder(obs))}


def with_told(seen: Watched, policy: Any) -> Watched:
    """The same episodes, with what a policy of ours knows at each step beside what it told while it was watched.

    Unchanged for other policies, and where observations are no flat or boxed numbers.
    """
    space = seen.spec.obs
    if not isinstance(space, Box) or not isinstance(policy, eqx.Module):
        return seen
    told = _told(policy, jnp.asarray(seen.obs.reshape(len(seen), *space.shape)).astype(space.dtype))
    new = {name: np.asarray(value) for name, value in told.items() if name in TOLD}
    return replace(seen, extras={**new, **seen.extras})


@eqx.filter_jit
def _told(policy: Any, obs: Array) -> dict[str, Array]:
    return jax.vmap(lambda one: told_at(policy, one))(obs)
