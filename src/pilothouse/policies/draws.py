"""Whether a policy draws at random: read off its program, and not off a few of its actions."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from pilothouse.core.spaces import Spec
from pilothouse.policies.policy import Policy

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Operations that only call another program, and where they keep it."""


def draws(policy: Policy, spec: Spec) -> bool:
    """Whether the action of a policy depends on the key that it is given, at the start of an episode."""
    still = jax.random.key_data(jax.random.key(0))

    def act(data: Any, obs: Any) -> Any:
        key = jax.random.wrap_key_data(data)
        return policy(obs, policy.reset(None, (), jax.random.key(0)), key)[0]

    closed = jax.make_jaxpr(act)(still, jax.tree.map(jnp.asarray, spec.obs.zeros()))
    return needed_inputs(closed.jaxpr, [True] * len(closed.jaxpr.outvars))[0]


def inner_program(equation: Any) -> Any | None:
    """The program that an equation calls, if calling is all that it does."""
    where = CALLS.get(equation.primitive.name)
    if where is None:
        return None
    inner = equation.params[where]
    return getattr(inner, "jaxpr", inner)


def needed_inputs(jaxpr: Any, outputs: Sequence[bool]) -> list[bool]:
    """Which inputs of a program the wanted `outputs` depend on. Loops and branches are taken to need all of theirs."""
    wanted = {var for var, want in zip(jaxpr.outvars, outputs, strict=True) if want and not hasattr(var, "val")}
    for equation in reversed(jaxpr.eqns):
        asked = [var in wanted for var in equation.outvars]
        if not any(asked):
            continue
        inner = inner_program(equation)
        # A call that keeps constants of its own beside has more inputs than are given here: then all are needed.
        fits = inner is not None and len(inner.invars) == len(equation.invars)
        needs = needed_inputs(inner, asked) if fits else [True] * len(equation.invars)
        wanted |= {var for var, need in zip(equation.invars, needs, strict=True) if need and not hasattr(var, "val")}
    return [var in wanted for var in jaxpr.invars]
