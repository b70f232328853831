"""What a policy of ours thinks of every action: the distribution that it acts from, where it has one."""

from typing import Any

from jaxtyping import Array, PyTree

from pilothouse.networks.distributions import Categorical, Distribution, MultiCategorical
from pilothouse.policies.actor_critic import ModeOfAgent, SampledWithValue
from pilothouse.policies.policy import Mode, Sampled
from pilothouse.policies.scaling import Scaled


def distribution_at(policy: Any, obs: PyTree) -> Distribution | None:
    """The distribution over actions, in the units of the policy within; None where it acts from none.

    Looks through the wrapper that standardises observations and through those that only carry a policy along.
    """
    match policy:
        case Scaled():
            return distribution_at(policy.policy, obs if policy.mean is None else (obs - policy.mean) / policy.std)
        case Mode() | Sampled():
            return policy.actor(obs)
        case ModeOfAgent() | SampledWithValue():
            return policy.agent(obs)[0]
    inner = getattr(policy, "carried", None)
    return None if inner is None else distribution_at(inner, obs)


def probabilities_at(policy: Any, obs: PyTree) -> Array | None:
    """Probabilities of all discrete choices, those of several joined in order; None where they are not known."""
    import jax.numpy as jnp

    match distribution_at(policy, obs):
        case Categorical() as one:
            return one.probs
        case MultiCategorical() as several:
            return jnp.concatenate([choice.probs for choice in several.choices], axis=-1)
    return None
