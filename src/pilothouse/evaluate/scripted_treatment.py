"""A simulated ward: patients, treatments, and a guideline that clinicians mostly follow. What is right is known."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.policies.policy import Memoryless
from pilothouse.rollout.collect import collect_fresh
from pilothouse.worlds.timed import Timed, outcome
from pilothouse.worlds.world import Outcome, Task

SIGNS = 6
WAIT, FIRST, SECOND = 0, 1, 2


@jax.tree_util.register_static
@dataclass(frozen=True)
class Ward:
    """Observation: severity, and five signs that stay as they are. Action: wait, or one of two drugs.

    Waiting adds 0.3 to the severity. A drug takes 0.6 off, and 0.1 more where it is the one that the sign of number 1
    favours; given to a patient whose severity is below 0 it takes nothing off and costs 0.5. Normal noise of deviation
    0.1 is added. Reward: minus the severity above 0, and that cost. Truncated at `horizon`.
    """

    horizon: int = 10

    @property
    def spec(self) -> Spec:
        return Spec(Box((SIGNS,)), Discrete(3))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, "6"]]:
        del task
        signs = jax.random.normal(key, (SIGNS,))
        state = Timed.at(signs.at[0].set(1.0 + 0.5 * signs[0]))
        return state, state.body

    def step(self, state: Timed, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        severity, sick = state.body[0], state.body[0] > 0
        favoured = jnp.where(state.body[1] > 0, FIRST, SECOND)
        relief = jnp.where(sick, 0.6 + 0.1 * (action == favoured), 0.0)
        change = jnp.where(action == WAIT, 0.3, -relief) + 0.1 * jax.random.normal(key)
        body, time = state.body.at[0].set(jnp.clip(severity + change, -1.0, 3.0)), state.time + 1
        reward = -jnp.maximum(severity, 0.0) - 0.5 * ((action != WAIT) & ~sick)
        return Timed(body, time, state.constants), outcome(body, reward, False, time, self.horizon)


def guideline(obs: Float[Array, "*batch signs"]) -> Int[Array, "*batch"]:
    """What is to be done: wait below a severity of 0; else the first drug where signs 2 and 3 add up to more than 0."""
    return jnp.where(obs[..., 0] < 0, WAIT, jnp.where(obs[..., 2] + obs[..., 3] > 0, FIRST, SECOND)).astype(jnp.int32)


class Clinician(Memoryless):
    """Follows the guideline, but in a share of cases does anything."""

    share: float

    def __call__(self, obs: Array, carry: Any, key: PRNGKeyArray) -> tuple[Array, Any, dict[str, Any]]:
        anything = jax.random.randint(named(key, "anything"), (), 0, 3)
        astray = jax.random.uniform(named(key, "astray")) < self.share
        return jnp.where(astray, anything, guideline(obs)), carry, {}


def treated(patients: int, *, astray: float = 0.4, seed: int = 0) -> Dataset:
    """Whole stays of so many patients, treated by a clinician who does anything in a share `astray` of cases."""
    place, key = Ward(), jax.random.key(seed)
    run = jax.jit(lambda key: collect_fresh(Clinician(astray), place, (), patients, place.horizon, key)[0])
    rows = jax.tree.map(lambda x: np.swapaxes(np.asarray(x), 0, 1).reshape(-1, *x.shape[2:]), run(key).without("task"))
    return dataset_from_transitions(rows, place.spec, name="ward-v0")
