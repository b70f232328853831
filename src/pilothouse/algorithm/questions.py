"""Questions to a teacher: which of two stretches of what was lived does it prefer? Where a reward is learned from."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core import trees
from pilothouse.core.aliases import Aux, Initialise, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.data.stores import gather, ring_of
from pilothouse.objectives.stretch_preference import stretch_returns

Teacher = Callable[[Batch], Float[Array, "steps env"]]
"""`teacher(rows) -> score of each step`: it prefers the stretch that scores more in all, and never errs."""


def stretch_pool(spec: Spec, capacity: int, length: int) -> Initialise:
    """An empty ring of stretches of `length` steps: `obs`, `action`, and their `score`."""
    row = Batch(**_stretch(spec, length), score=jnp.zeros(()))
    return lambda key: ring_of(row, capacity)


def answers_store(spec: Spec, capacity: int, length: int) -> Initialise:
    """An empty ring of answers: a `chosen` and a `rejected` stretch, each with `obs` and `action`."""
    stretch = Batch(**_stretch(spec, length))
    return lambda key: ring_of(Batch(chosen=stretch, rejected=stretch), capacity)


def ask(
    teacher: Teacher, questions: int, *, candidates: int = 10, rollout: str = "rollout", pool: str = "pool"
) -> Rule:
    """The rollout's stretches join the pool; of `candidates` pairs a question, the teacher is asked the most disputed.

    A rollout `(steps, environments)` holds one stretch of each environment; one that an episode's end cuts in two is
    passed over. Pairs are drawn evenly from the pool, and disputed is what the members of `reward` give the most different
    chances of being preferred. Of two that score alike the first is chosen. Writes the pool and `answers`.

    **Source:** Lee, Smith and Abbeel (PEBBLE), arXiv:2106.05091, section 4.2 (sampling by disagreement).
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux
        held = parts[pool].add(stretches_of(parts[rollout], teacher))
        drawn = jax.random.randint(named(key, "pairs"), (2, candidates * questions), 0, jnp.maximum(held.count, 1))
        pairs = [gather(held, places) for places in drawn]
        ours, theirs = (stretch_returns(parts["reward"], side.obs, side.action) for side in pairs)
        disputed = jax.nn.sigmoid(ours - theirs).std(axis=-1)
        asked = jax.lax.top_k(disputed, questions)[1]
        one, other = (jax.tree.map(lambda x: x[asked], side) for side in pairs)
        first = one.score >= other.score
        one, other = one.without("score"), other.without("score")
        known = jnp.broadcast_to(held.count > 0, first.shape)
        answers = parts["answers"].add(
            Batch(chosen=trees.where(first, one, other), rejected=trees.where(first, other, one), valid=known)
        )
        return {pool: held, "answers": answers}

    return Rule(change, (pool, "answers"), name="ask")


def stretches_of(rows: Batch, teacher: Teacher) -> Batch:
    """A rollout `(steps, environments)` as one stretch an environment; `valid` where it is of one episode."""
    return Batch(
        obs=jnp.swapaxes(rows.obs, 0, 1),
        action=jnp.swapaxes(rows.action, 0, 1),
        score=teacher(rows).sum(axis=0),
        valid=(rows.episode_id == rows.episode_id[:1]).all(axis=0),
    )


def _stretch(spec: Spec, length: int) -> dict[str, PyTree]:
    row = {"obs": spec.obs.zeros(), "action": spec.action.zeros()}
    return jax.tree.map(lambda x: jnp.zeros((length, *x.shape), x.dtype), row)
