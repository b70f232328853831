"""Policies around an agent that gives a distribution and a value at once, with or without memory."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.policies.policy import Carry, Extra, Memoryless, Policy


class SampledWithValue(Memoryless):
    """Draws from the agent's distribution; remembers `log_prob` and `value`."""

    agent: Callable[[PyTree], tuple[Any, Any]]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        distribution, value = self.agent(obs)
        action, log_prob = distribution.sample_and_log_prob(key)
        return action, carry, {"log_prob": log_prob, "value": value}


class ModeOfAgent(Memoryless):
    """Does what the agent thinks most likely."""

    agent: Callable[[PyTree], tuple[Any, Any]]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        return self.agent(obs)[0].mode(), carry, {}


class RecurrentSampled(eqx.Module):
    """Draws from a recurrent agent's distribution; its memory is the carry.

    Remembers `log_prob`, `value`, and under `memory` the carry that it acted from, so that learning can start there.
    """

    agent: Any

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task, key
        return self.agent.initial_carry()

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        distribution, value, following = self.agent(obs, carry)
        action, log_prob = distribution.sample_and_log_prob(key)
        return action, following, {"log_prob": log_prob, "value": value, "memory": carry}


class RecurrentMode(eqx.Module):
    """Does what a recurrent agent thinks most likely; its memory is the carry."""

    agent: Any

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task, key
        return self.agent.initial_carry()

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        distribution, _, following = self.agent(obs, carry)
        return distribution.mode(), following, {}


def agent_sampled(part: str) -> Callable[[Parts], Policy]:
    """The policy that draws from the agent (distribution and value) held in this part."""
    return lambda parts: SampledWithValue(parts[part])


def agent_mode(part: str) -> Callable[[Parts], Policy]:
    """The policy that takes the likeliest action of the agent held in this part."""
    return lambda parts: ModeOfAgent(parts[part])


def recurrent_sampled(part: str) -> Callable[[Parts], Policy]:
    """The policy that draws from the recurrent agent held in this part."""
    return lambda parts: RecurrentSampled(parts[part])


def recurrent_mode(part: str) -> Callable[[Parts], Policy]:
    """The policy that takes the likeliest action of the recurrent agent held in this part."""
    return lambda parts: RecurrentMode(parts[part])
