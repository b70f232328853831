"""Policies judged without a world: by the critic's values along what a learned model thinks they would do."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core import trees
from pilothouse.core.aliases import Aux, Initialise, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.data.stores import size_of
from pilothouse.networks.dynamics import Imagination
from pilothouse.objectives.member_choice import lowest

Gate = Literal["judged", "always", "never"]


def stack_of(make: Initialise, members: int) -> Initialise:
    """So many networks of one kind as one part: its leaves have a leading axis of members."""
    return lambda key: jax.vmap(make)(jax.random.split(key, members))


def value_along(
    step: Callable[..., tuple[PyTree, Any, Any]],
    critic: Callable[..., Float[Array, " members"]],
    policy: Callable[[PyTree], Any],
    starts: PyTree,
    steps: int,
    key: PRNGKeyArray,
) -> Scalar:
    """The critic's lower value of a policy's likeliest actions, mean over what it would meet (AM-Q).

    **Arguments:**
    - `step`: `(obs, action, key) -> (next_obs, reward, terminated)`, a learned model.
    - `critic`: `(obs, action) -> (members,)`, in return units.
    - `starts`: observations with a leading axis; from each goes an episode of at most `steps` steps.

    **Returns:** return units. What follows a termination does not count.

    **Source:** Lei et al. (Uni-O4), arXiv:2311.03351, and the authors' code for the mean.
    """
    number = jax.tree.leaves(starts)[0].shape[0]

    def one(carry: tuple[PyTree, Array], key: PRNGKeyArray) -> tuple[Any, tuple[Array, Array]]:
        obs, going = carry
        action = jax.vmap(policy)(obs).mode()
        value = jnp.where(going, lowest(jax.vmap(critic)(obs, action)), 0.0)
        following, _, over = jax.vmap(step)(obs, action, jax.random.split(key, number))
        return (following, going & ~over), (value.sum(), going.sum())

    first = (starts, jnp.ones(number, bool))
    _, (values, counted) = jax.lax.scan(one, first, jax.random.split(named(key, "steps"), steps))
    return values.sum() / counted.sum()


def accept_better(
    gate: Gate,
    *,
    rollouts: int,
    steps: int,
    policies: str = "policies",
    behaviour: str = "behaviour",
    data: str = "data",
) -> Rule:
    """Each behaviour policy gives way to the one that was improved on it, if that is judged better.

    Both are judged from the same rows of the data, by the same draws. With the gate "always" or "never" nobody is asked.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux
        new, old = parts[policies], parts[behaviour]
        if gate != "judged":
            return {behaviour: new if gate == "always" else old}
        judge = judged_by(parts, rollouts, steps, key, data)
        better = judge(new) > judge(old)  # not so where either is not a number
        return {behaviour: trees.where(better, new, old)}

    return Rule(change, (behaviour,), name="accept better")


def take_best(
    *,
    rollouts: int,
    steps: int,
    into: str = "actor",
    policies: str = "policies",
    behaviour: str = "behaviour",
    data: str = "data",
) -> Rule:
    """Write to `into` the one judged best of all members, as last improved and as last accepted."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux
        every = jax.tree.map(lambda *x: jnp.concatenate(x), parts[behaviour], parts[policies])
        scores = judged_by(parts, rollouts, steps, key, data)(every)
        best = jnp.argmax(jnp.nan_to_num(scores, nan=-jnp.inf))
        return {into: jax.tree.map(lambda x: x[best], every)}

    return Rule(change, (into,), name="take best")


def judged_by(
    parts: Parts, rollouts: int, steps: int, key: PRNGKeyArray, data: str = "data"
) -> Callable[[PyTree], Float[Array, " members"]]:
    """A judge of stacks of policies: `value_along` by the model, elites and critic of the parts, from rows of the data."""
    rows = jax.random.randint(named(key, "rows"), (rollouts,), 0, size_of(parts[data]))
    starts = jax.tree.map(lambda x: x[rows], parts[data].obs)
    world = Imagination(parts["model"], parts["elites"], parts["ending"], 0.0)
    return jax.vmap(lambda policy: value_along(world, parts["critic"], policy, starts, steps, key))
