"""Whole episodes of a policy, for measuring it: inside a compiled program, or in host simulators."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.keys import at, named
from pilothouse.policies.policy import Policy
from pilothouse.rollout.collect import act, begin, fresh_carries
from pilothouse.worlds.world import HostWorld, World


class Episodes(NamedTuple):
    """What each episode came to: the sum of its rewards, its length in steps, and whether it ended within the limit."""

    returns: Float[Array | np.ndarray, " episode"]
    lengths: Int[Array | np.ndarray, " episode"]
    ended: Bool[Array | np.ndarray, " episode"]


def tasks_for(world: Any, number: int, key: PRNGKeyArray) -> PyTree:
    """One task for each episode, drawn by the world itself, or `()` for a world without tasks."""
    if not hasattr(world, "sample_task"):
        return ()
    return jax.vmap(world.sample_task)(jax.random.split(named(key, "tasks"), number))


def traced_episodes(
    policy: Policy,
    world: World,
    key: PRNGKeyArray,
    *,
    episodes: int,
    longest: int,
    tasks: PyTree | None = None,
    discount: float = 1.0,
) -> Episodes:
    """Episodes side by side in a JAX world, until all have ended or `longest` steps have passed. Traces under `jit`.

    The reward of step t counts `discount ** t` times.
    """
    tasks = tasks_for(world, episodes, key) if tasks is None else tasks
    start = begin(world, tasks, episodes, key)
    carry = fresh_carries(policy, tasks, episodes, key, each=False)

    def one(state: Any) -> Any:
        step, now, obs, carry, alive, total, length = state
        step_key = at(key, step)
        action, carry, _ = act(policy, obs, carry, step_key, each=False)
        now, outcome = jax.vmap(world.step)(now, action, jax.random.split(named(step_key, "step"), episodes))
        total = total + jnp.where(alive, outcome.reward * discount**step, 0.0)
        over = outcome.terminated | outcome.truncated
        return step + 1, now, outcome.next_obs, carry, alive & ~over, total, length + alive

    def more(state: Any) -> Array:
        return (state[0] < longest) & state[4].any()

    alive = jnp.ones(episodes, bool)
    first = (
        jnp.zeros((), jnp.int32),
        start.state,
        start.obs,
        carry,
        alive,
        jnp.zeros(episodes),
        jnp.zeros(episodes, jnp.int32),
    )
    _, _, _, _, alive, total, length = jax.lax.while_loop(more, one, first)
    return Episodes(total, length, ~alive)


Actor = Callable[[PyTree, PyTree, int], tuple[PyTree, PyTree]]
"""`(obs, carry, step) -> (action, carry)` on NumPy arrays with a leading axis of copies; `carry` is None at first."""


def host_episodes(
    actor: Actor,
    world: HostWorld,
    seeds: Sequence[int],
    *,
    longest: int = 100_000,
    discount: float = 1.0,
    watch: Callable[[], None] | None = None,
    task: PyTree = (),
) -> Episodes:
    """One episode in every copy of a host world, each from its own seed. `watch` is called before every step.

    The reward of step t counts `discount ** t` times. `task` has a leading axis of copies, or is `()`.
    """
    obs = world.reset(list(range(world.size)), list(seeds), task)
    alive, total, length = np.ones(world.size, bool), np.zeros(world.size), np.zeros(world.size, np.int32)
    carry = None
    for step in range(longest):
        if watch is not None:
            watch()
        action, carry = actor(jax.tree.map(np.array, obs), carry, step)
        outcome = world.step(action)
        obs = outcome["next_obs"]
        total += np.where(alive, outcome["reward"] * discount**step, 0.0)
        length += alive
        alive &= ~(outcome["terminated"] | outcome["truncated"])
        if not alive.any():
            break
    return Episodes(total, length, ~alive)


def stepped_episodes(
    actor: Actor, world: World, key: PRNGKeyArray, *, episodes: int, longest: int, discount: float = 1.0
) -> Episodes:
    """The episodes of `traced_episodes` with this key, stepped from the host: for policies that cannot be traced.

    They begin alike and are given the same draws, so that policies of either kind are compared on the same episodes.
    """
    tasks = tasks_for(world, episodes, key)
    start = begin(world, tasks, episodes, key)

    @jax.jit
    def advance(state: PyTree, action: PyTree, step: Array) -> Any:
        return jax.vmap(world.step)(state, action, jax.random.split(named(at(key, step), "step"), episodes))

    state, obs, carry = start.state, jax.tree.map(np.array, start.obs), None
    alive, total, length = np.ones(episodes, bool), np.zeros(episodes), np.zeros(episodes, np.int32)
    for step in range(longest):
        action, carry = actor(obs, carry, step)
        state, outcome = advance(state, action, np.int32(step))
        obs = jax.tree.map(np.array, outcome.next_obs)
        total += np.where(alive, np.asarray(outcome.reward) * discount**step, 0.0)
        length += alive
        alive &= ~(np.asarray(outcome.terminated) | np.asarray(outcome.truncated))
        if not alive.any():
            break
    return Episodes(total, length, ~alive)
