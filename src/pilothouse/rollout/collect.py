"""Acting in a JAX world and recording it, inside the compiled program."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, PyTree

from pilothouse.core import trees
from pilothouse.core.batch import Batch
from pilothouse.core.keys import at, named
from pilothouse.policies.policy import Policy
from pilothouse.worlds.world import World

Sums = dict[str, tuple[Array, Array]]
"""Metrics on their way: name -> (sum, count). They add up over steps, cycles and environments; divided at the end."""


class Acting(eqx.Module):
    """Where the environments of a world stand. Every leaf has a leading axis of environments.

    `carries` holds, by the address of the step that acts, the policy's carry and the episode it belongs to: two steps
    with different policies may act in one world in turn.
    """

    state: PyTree
    obs: PyTree
    task: PyTree
    episode_id: Int[Array, " env"]
    length: Int[Array, " env"]
    total: Float[Array, " env"]
    carries: dict[str, tuple[Int[Array, " env"], PyTree]]


def begin(world: World, tasks: PyTree, environments: int, key: PRNGKeyArray) -> Acting:
    """First episodes in every environment. Episode ids count up by the number of environments, so they never meet."""
    keys = jax.random.split(named(key, "reset"), environments)
    state, obs = jax.vmap(world.reset)(tasks, keys)
    return Acting(
        state=state,
        obs=obs,
        task=tasks,
        episode_id=jnp.arange(environments, dtype=jnp.int32),
        length=jnp.zeros(environments, jnp.int32),
        total=jnp.zeros(environments),
        carries={},
    )


def fresh_carries(policy: Policy, tasks: PyTree, environments: int, key: PRNGKeyArray, *, each: bool) -> PyTree:
    """The carries that first episodes begin with."""
    keys = jax.random.split(named(key, "carry"), environments)
    return jax.vmap(lambda p, task, k: p.reset(None, task, k), in_axes=(0 if each else None, 0, 0))(policy, tasks, keys)


def keys_for(name: str, key: PRNGKeyArray, environments: int) -> Key[Array, " env"]:
    """One key for each environment, for the draw called `name`."""
    return jax.random.split(named(key, name), environments)


def keys_of_steps(names: tuple[str, ...], key: PRNGKeyArray, steps: int, environments: int) -> dict[str, Array]:
    """Keys `(steps, environments)` for each draw, made in one go: inside the loop they cost more than small worlds do."""

    def of(step: Array) -> dict[str, Array]:
        return {name: keys_for(name, at(key, step), environments) for name in names}

    return jax.vmap(of)(jnp.arange(steps))


def act(policy: Policy, obs: PyTree, carry: PyTree, key: PRNGKeyArray, *, each: bool) -> tuple[PyTree, PyTree, dict]:
    """One action in every environment: `(actions, carries, extras)`."""
    return act_with(policy, obs, carry, keys_for("act", key, jax.tree.leaves(obs)[0].shape[0]), each=each)


def act_with(
    policy: Policy, obs: PyTree, carry: PyTree, keys: Key[Array, " env"], *, each: bool
) -> tuple[PyTree, PyTree, dict]:
    """`act` with the keys already made."""
    return jax.vmap(lambda p, o, c, k: p(o, c, k), in_axes=(0 if each else None, 0, 0, 0))(policy, obs, carry, keys)


def collect(
    policy: Policy,
    world: World,
    acting: Acting,
    address: str,
    steps: int,
    draw_task: Any,
    key: PRNGKeyArray,
    *,
    each: bool = False,
) -> tuple[Acting, Batch, Sums]:
    """Act for `steps` steps; episodes that end begin anew at once, and the rows keep the true `next_obs`.

    Returns where the world stands now, the rows with leading axes `(steps, environments)`, and the returns and lengths
    of the episodes that ended.
    """
    environments = acting.episode_id.shape[0]
    if address in acting.carries:
        belongs, carry = acting.carries[address]
        new = fresh_carries(policy, acting.task, environments, key, each=each)
        carry = trees.where(belongs == acting.episode_id, carry, new)
    else:
        carry = fresh_carries(policy, acting.task, environments, key, each=each)

    def one(
        state: tuple[Acting, PyTree], given: tuple[Array, dict[str, Array]]
    ) -> tuple[tuple[Acting, PyTree], tuple[Batch, Sums]]:
        (now, carry), (step, keys) = state, given
        action, carry, extra = act_with(policy, now.obs, carry, keys["act"], each=each)
        world_state, outcome = jax.vmap(world.step)(now.state, action, keys["step"])
        over = outcome.terminated | outcome.truncated
        row = Batch(
            **{**outcome.extra, **extra},
            obs=now.obs,
            action=action,
            reward=outcome.reward,
            next_obs=outcome.next_obs,
            terminated=outcome.terminated,
            truncated=outcome.truncated,
            valid=jnp.ones(environments, bool),
            episode_id=now.episode_id,
            duration=outcome.duration,
        )
        length, total = now.length + 1, now.total + outcome.reward

        def begin_anew(standing: PyTree) -> PyTree:
            world_state, obs, task, carry = standing
            if draw_task is not None:
                task = trees.where(over, draw_task(named(at(key, step), "task")), task)
            first = jax.vmap(world.reset)(task, keys["reset"])
            new_carry = jax.vmap(lambda p, c, t, k: p.reset(c, t, k), in_axes=(0 if each else None, 0, 0, 0))(
                policy, carry, task, keys["carry"]
            )
            new_state, new_obs, new_carry = trees.where(over, (*first, new_carry), (world_state, obs, carry))
            return new_state, new_obs, task, new_carry

        # Most steps end no episode: where lanes are not batched, a branch spares them the cost of a reset.
        standing = (world_state, outcome.next_obs, now.task, carry)
        world_state, obs, task, carry = jax.lax.cond(over.any(), begin_anew, lambda same: same, standing)
        after = Acting(
            state=world_state,
            obs=obs,
            task=task,
            episode_id=jnp.where(over, now.episode_id + environments, now.episode_id),
            length=jnp.where(over, 0, length),
            total=jnp.where(over, 0.0, total),
            carries=now.carries,
        )
        return (after, carry), (row, finished(over, total, length))

    keys = keys_of_steps(("act", "step", "reset", "carry"), key, steps, environments)
    (after, carry), (rows, sums) = jax.lax.scan(one, (acting, carry), (jnp.arange(steps), keys))
    if jax.tree.leaves(carry):
        carries = {**after.carries, address: (after.episode_id, carry)}
        after = eqx.tree_at(lambda a: a.carries, after, carries, is_leaf=lambda x: isinstance(x, dict))
    return after, rows, jax.tree.map(lambda x: x.sum(axis=0), sums)


def collect_fresh(
    policy: Policy, world: World, tasks: PyTree, environments: int, steps: int, key: PRNGKeyArray, *, each: bool = False
) -> tuple[Batch, Sums]:
    """New episodes now, one in every environment, each until its end or for `steps` steps.

    Rows after an episode's end are not `valid`. The rows also hold `task`, with a leading axis of environments only.
    """
    start = begin(world, tasks, environments, key)
    carry = fresh_carries(policy, tasks, environments, key, each=each)

    def one(state: tuple[Acting, PyTree, Bool[Array, " env"]], keys: dict[str, Array]) -> tuple[Any, Batch]:
        now, carry, alive = state
        action, carry, extra = act_with(policy, now.obs, carry, keys["act"], each=each)
        world_state, outcome = jax.vmap(world.step)(now.state, action, keys["step"])
        row = Batch(
            **{**outcome.extra, **extra},
            obs=now.obs,
            action=action,
            reward=jnp.where(alive, outcome.reward, 0.0),
            next_obs=outcome.next_obs,
            terminated=outcome.terminated & alive,
            truncated=outcome.truncated & alive,
            valid=alive,
            episode_id=now.episode_id,
            duration=outcome.duration,
        )
        after = Acting(
            state=world_state,
            obs=outcome.next_obs,
            task=now.task,
            episode_id=now.episode_id,
            length=now.length + alive,
            total=now.total + row.reward,
            carries=now.carries,
        )
        return (after, carry, alive & ~(outcome.terminated | outcome.truncated)), row

    keys = keys_of_steps(("act", "step"), key, steps, environments)
    (after, _, _), rows = jax.lax.scan(one, (start, carry, jnp.ones(environments, bool)), keys)
    return rows.replace(task=tasks), finished(jnp.ones(environments, bool), after.total, after.length)


def finished(over: Bool[Array, " env"], total: Float[Array, " env"], length: Int[Array, " env"]) -> Sums:
    """Sums over the episodes that ended."""
    count = over.sum().astype(jnp.float32)
    return {
        "episode/return": (jnp.sum(jnp.where(over, total, 0.0)), count),
        "episode/length": (jnp.sum(jnp.where(over, length, 0)).astype(jnp.float32), count),
    }
