"""Whole lifetimes as one pure function: an algorithm begun anew, learning in a world, and what it earned on the way."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.algorithm.interpreter import Source, cycle, env_steps_in, init, start_clock, updates_in
from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.aliases import Scalar


def lifetime(
    algorithm: Algorithm, source: Source, cycles: int, key: PRNGKeyArray
) -> tuple[Mapping[str, PyTree], Scalar]:
    """Learn from nothing for so many cycles of its only stage: the parts then, and the mean return of the whole life.

    The mean is over the episodes that ended meanwhile; 0 without any. The numbers are those of a run with this key, and
    lives may be mapped over keys, and over whatever the algorithm or the world hold.
    """
    worlds, steps = {"world": source}, algorithm.stages[0].cycle
    updates, lived = updates_in(steps), env_steps_in(steps, {"world": source.environments})

    def one(state: PyTree, number: jax.Array) -> tuple[PyTree, tuple[jax.Array, jax.Array]]:
        clock = {
            **start_clock(),
            "cycle": number,
            "updates": number * updates,
            "env_steps": number * lived,
            "progress": number / cycles,
        }
        state, sums = cycle(algorithm, state, {}, clock, key, worlds)
        return state, sums["episode/return"]

    first = init(algorithm, key, worlds)
    last, (totals, counts) = jax.lax.scan(one, first, jnp.arange(cycles, dtype=jnp.int32))
    return last.parts, totals.sum() / jnp.maximum(counts.sum(), 1)
