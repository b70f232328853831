"""A world with somebody who watches, and takes over for a while when nothing good has happened for too long.

What stands at the place of a person with a hand on the controls: a scripted policy that does the task. The world says who
acted and what was done, as a robot's interface does; what to make of it is the learner's business.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.core.spaces import to_unit
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around


class Watched(eqx.Module):
    """The state of the world within, what it shows, the overseer's memory, and two counts of steps.

    `stalled` counts those without reward since the last one, or since the overseer let go; `holding` those for which the
    overseer still acts.
    """

    inner: PyTree
    obs: PyTree
    carry: PyTree
    stalled: Int[Array, ""]
    holding: Int[Array, ""]


class Overseen(_Around, eqx.Module):
    """A JAX world whose `overseer` takes over for `hold` steps after `patience` steps in a row without reward above 0.

    `overseer` is called as a policy in the world's own units. Rows gain `intervened`, whether it acted, and `executed`,
    what was done, in unit actions. Raises `SettingError` for a `patience` or `hold` below 1.

    **Source:** after the interventions of Luo et al. (HIL-SERL), arXiv:2410.21845, section 3.3, where people act.
    """

    world: World
    overseer: Any
    patience: int = eqx.field(static=True, default=20)
    hold: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        if self.patience < 1 or self.hold < 1:
            raise SettingError(f"patience={self.patience}, hold={self.hold}; expected at least 1 step each.")

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Watched, PyTree]:
        inner, obs = self.world.reset(task, key)
        zero = jnp.zeros((), jnp.int32)
        return Watched(inner, obs, self.overseer.reset(None, task, named(key, "overseer")), zero, zero), obs

    def step(self, state: Watched, action: PyTree, key: PRNGKeyArray) -> tuple[Watched, Outcome]:
        intervened = state.holding > 0
        theirs, carry, _ = self.overseer(state.obs, state.carry, named(key, "overseer"))
        done = jax.tree.map(lambda a, b: jnp.where(intervened, a, b), theirs, action)
        inner, outcome = self.world.step(state.inner, done, key)
        stalled = jnp.where(intervened | (outcome.reward > 0), 0, state.stalled + 1)
        holding = jnp.where(intervened, state.holding - 1, jnp.where(stalled >= self.patience, self.hold, 0))
        extra = {**outcome.extra, "intervened": intervened, "executed": to_unit(self.world.spec.action, done)}
        said = eqx.tree_at(lambda o: o.extra, outcome, extra, is_leaf=lambda x: isinstance(x, dict))
        return Watched(inner, outcome.next_obs, carry, stalled, holding), said

    def render(self, state: Watched) -> Any:
        return self.world.render(state.inner)  # pyright: ignore[reportAttributeAccessIssue]
