"""A tabular world: finitely many states and actions, with transition and reward tables as fields.

Random ones are Garnets: Archibald, McKinnon and Thomas (1995), "On the generation of Markov decision processes"; each
state and action leads to `branching` distinct states, with probabilities cut at uniform points, and has a standard
normal reward (as in Bhatnagar et al., 2009, "Natural actor-critic algorithms"). `tabular_exact.py` solves them.
"""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.timed import outcome
from pilothouse.worlds.world import Outcome, Task


class TabularState(eqx.Module):
    """Where we are, and how many steps after the reset."""

    place: Int[Array, ""]
    time: Int[Array, ""]


class Tabular(eqx.Module):
    """Observation: the state. Action: one of `actions`. Rewards are the table's own, without noise.

    Arriving where `terminal` holds terminates (its later rewards never count); truncated at `horizon`. A task may be
    the dict `{"start": state}`; else the start is drawn from `start`. The tables are leaves: `vmap` over many worlds.
    """

    transition: Float[Array, "states actions states"]
    reward: Float[Array, "states actions"]
    start: Float[Array, " states"]
    terminal: Bool[Array, " states"]
    horizon: int = eqx.field(static=True, default=100)

    @classmethod
    def of(cls, transition, reward, *, start=None, terminal=None, horizon: int = 100) -> Self:
        """A world of these tables; `start` is uniform and nothing terminal unless given.

        Raises `SettingError` for shapes that do not fit, or rows that are no distributions.
        """
        transition, reward = np.asarray(transition, np.float32), np.asarray(reward, np.float32)
        n = len(transition)
        if transition.ndim != 3 or transition.shape[2] != n or reward.shape != transition.shape[:2]:
            raise SettingError(
                f"transition is {transition.shape} and reward {reward.shape}; expected (states, actions, states) and "
                f"(states, actions)."
            )
        start = np.full(n, 1 / n, np.float32) if start is None else np.asarray(start, np.float32)
        terminal = np.zeros(n, bool) if terminal is None else np.asarray(terminal, bool)
        for name, table in (("transition", transition), ("start", start)):
            if table.shape[-1:] != (n,) or (table < 0).any() or not np.allclose(table.sum(-1), 1, atol=1e-5):
                raise SettingError(f"{name} holds a row that is no distribution over {n} states; make rows sum to 1.")
        return cls(jnp.array(transition), jnp.array(reward), jnp.array(start), jnp.array(terminal), horizon)

    @classmethod
    def garnet(
        cls, states: int = 20, actions: int = 4, branching: int = 3, *, terminals: int = 0, horizon: int = 100, key
    ) -> Self:
        """A random world; the last `terminals` states end an episode, the others begin it. Traces under `vmap`."""
        if not 1 <= branching <= states or not 0 <= terminals < states or actions < 1:
            raise SettingError(
                f"states={states}, actions={actions}, branching={branching}, terminals={terminals}; expected at least "
                f"one action, branching in 1..states, and fewer terminals than states."
            )
        cuts = jnp.sort(jax.random.uniform(named(key, "cuts"), (states, actions, branching - 1)), axis=-1)
        nought = jnp.zeros((states, actions, 1))
        edges = jnp.concatenate([nought, cuts, nought + 1], axis=-1)
        order = jnp.argsort(jax.random.uniform(named(key, "successors"), (states, actions, states)), axis=-1)
        row, column = jnp.arange(states)[:, None, None], jnp.arange(actions)[None, :, None]
        transition = jnp.zeros((states, actions, states)).at[row, column, order[..., :branching]].set(jnp.diff(edges))
        reward = jax.random.normal(named(key, "reward"), (states, actions))
        terminal = jnp.arange(states) >= states - terminals
        return cls(transition, reward, (~terminal).astype(jnp.float32) / (states - terminals), terminal, horizon)

    @property
    def spec(self) -> Spec:
        states, actions = self.reward.shape[-2:]
        return Spec(Discrete(states), Discrete(actions))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[TabularState, Int[Array, ""]]:
        place = task["start"] if isinstance(task, dict) else _draw(self.start, key)
        state = TabularState(jnp.asarray(place, jnp.int32), jnp.zeros((), jnp.int32))
        return state, state.place

    def step(self, state: TabularState, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[TabularState, Outcome]:
        place = _draw(self.transition[state.place, action], key)
        after = TabularState(place, state.time + 1)
        reward = self.reward[state.place, action]
        return after, outcome(place, reward, self.terminal[place], after.time, self.horizon)

    def render(self, state: TabularState) -> drawing.Image:
        """States in a ring, the present one lit, and what may follow it: `(320, 320, 3)`."""
        image = drawing.blank(320, 320)
        n, here = self.reward.shape[0], int(state.place)
        turn = 2 * np.pi * np.arange(n) / n
        ring = 160 + 130 * np.stack([np.sin(turn), -np.cos(turn)], axis=1)
        likely = np.asarray(self.transition, np.float64)[here].max(axis=0)
        for place in np.flatnonzero(likely):
            drawing.capsule(image, ring[here], ring[place], 0.5 + 2.5 * likely[place], drawing.MIST)
        dot = float(np.clip(260 / n, 3, 14))
        terminal = np.asarray(self.terminal)
        for place in range(n):
            drawing.disc(image, ring[place], dot, drawing.RUST if terminal[place] else drawing.INK)
        drawing.disc(image, ring[here], dot, drawing.BRASS)
        return image


def _draw(weights: Float[Array, " states"], key: PRNGKeyArray) -> Int[Array, ""]:
    """A state by these probabilities: where one uniform number falls among their sums."""
    sums = jnp.cumsum(weights)
    return jnp.sum(jax.random.uniform(key, ()) >= sums / sums[-1]).astype(jnp.int32)
