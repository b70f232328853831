"""Contextual worlds: each episode has a context (gravity, a length, a force), which is shown, or hidden from the policy.

A context is a dict of a world's constants. Contexts for learning come from a part of the whole set, and two kinds are held
out: between those learned in (interpolation), and beyond them (extrapolation).

**Source:** Benjamins, Eimer, Schubert, Mohan, Döhler, Biedenkapp, Rosenhahn, Hutter and Lindauer, "Contextualize Me - The
Case for Context in Reinforcement Learning", arXiv:2202.04500; the splits are those of Kirk et al., arXiv:2111.09794.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, DictSpace, Space, Spec, box_from_bounds
from pilothouse.worlds.uncertain import UncertaintySet
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around

Shown = Literal["hidden", "joined", "beside"]
"""How a context is shown: not at all, as more entries of a flat observation, or as `context` beside `obs` in a Dict."""


@dataclass(frozen=True)
class Contexts:
    """`count` contexts to learn in, drawn by `seed` from the middle of a set: a `share` of each constant's range.

    `count` 0 is every context of the middle. The same seed gives the same contexts.
    """

    whole: UncertaintySet
    share: float = 0.5
    count: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SettingError(f"share={self.share!r} of each range is learned in; expected above 0 and at most 1.")
        if self.count < 0:
            raise SettingError(f"count={self.count!r} contexts; expected at least 0 (all of the middle).")

    @property
    def middle(self) -> UncertaintySet:
        """Where the contexts to learn in lie."""
        trim = (1 - self.share) / 2
        ranges = [(name, low, high, trim * (high - low)) for name, low, high in self.whole.ranges]
        return UncertaintySet(tuple((name, low + off, high - off) for name, low, high, off in ranges))

    @property
    def learned_in(self) -> tuple[dict[str, float], ...]:
        """The contexts to learn in; none where that is all of the middle."""
        return self._drawn(self.middle, self.count, "learned in")

    def interpolation(self, number: int) -> tuple[dict[str, float], ...]:
        """So many others from the middle."""
        return self._drawn(self.middle, number, "interpolation")

    def extrapolation(self, number: int) -> tuple[dict[str, float], ...]:
        """So many with every constant below or above the middle. Raises `SettingError` where the middle is all there is."""
        if self.share == 1:
            raise SettingError("share=1 learns in the whole set, and nothing lies beyond it; give a smaller share.")
        draw, middle = _generator("extrapolation", self.seed), self.middle
        found = []
        for _ in range(number):
            context = {}
            for (name, low, high), (_, inner, outer) in zip(self.whole.ranges, middle.ranges, strict=True):
                context[name] = float(draw.uniform(low, inner) if draw.random() < 0.5 else draw.uniform(outer, high))
            found.append(context)
        return tuple(found)

    def _drawn(self, within: UncertaintySet, number: int, split: str) -> tuple[dict[str, float], ...]:
        draw = _generator(split, self.seed)
        return tuple({name: float(draw.uniform(low, high)) for name, low, high in within.ranges} for _ in range(number))


def _generator(split: str, seed: int) -> np.random.Generator:
    """Draws of one split, which those of the others do not move."""
    return np.random.default_rng([seed, *split.encode()])


class Situated(eqx.Module):
    """The state of the world within, and what is shown of the episode's context."""

    inner: PyTree
    context: Float[Array, " context"]


class ContextualWorld(_Around, eqx.Module):
    """A JAX world whose constants are a context, drawn at every reset, but for those that the task gives.

    A shown context is scaled so that the whole set lies in [-1, 1], constants in the set's order. The world within takes
    tasks that are dicts of constants. Draws `context`. Raises `SpaceError` where "joined" meets observations that are no
    flat float32.
    """

    world: World
    contexts: Contexts = eqx.field(static=True)
    shown: str = eqx.field(static=True, default="joined")

    def __check_init__(self):
        if self.shown not in get_args(Shown):
            raise SettingError(f"shown={self.shown!r}; expected one of {', '.join(get_args(Shown))}.")
        space = self.world.spec.obs
        if self.shown == "joined" and (not isinstance(space, Box) or len(space.shape) != 1 or space.dtype != "float32"):
            raise SpaceError(f"A context is joined to flat Box observations of float32, and these are {space.kind}.")

    @property
    def spec(self) -> Spec:
        return replace(self.world.spec, obs=self._space())

    def _space(self) -> Space:
        inner, size = self.world.spec.obs, len(self.contexts.whole.ranges)
        if self.shown == "hidden":
            return inner
        if self.shown == "beside":
            return DictSpace.of({"obs": inner, "context": Box((size,), -1.0, 1.0)})
        assert isinstance(inner, Box)
        low, high = inner.bounds()
        edge = np.ones(size, np.float32)
        return box_from_bounds(np.concatenate([low, -edge]), np.concatenate([high, edge]), inner.dtype)

    def _seen(self, obs: PyTree, context: Array) -> PyTree:
        if self.shown == "hidden":
            return obs
        return {"obs": obs, "context": context} if self.shown == "beside" else jnp.concatenate([obs, context])

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Situated, PyTree]:
        given = dict(task) if isinstance(task, Mapping) else {}
        drawn = self._draw(named(key, "context"))
        context = {**drawn, **{name: given[name] for name in given if name in drawn}}
        inner, obs = self.world.reset({**given, **context}, key)
        state = Situated(inner, self.scaled(context))
        return state, self._seen(obs, state.context)

    def step(self, state: Situated, action: PyTree, key: PRNGKeyArray) -> tuple[Situated, Outcome]:
        inner, outcome = self.world.step(state.inner, action, key)
        return Situated(inner, state.context), replace(outcome, next_obs=self._seen(outcome.next_obs, state.context))

    def render(self, state: Situated) -> np.ndarray:
        return self.world.render(state.inner)  # pyright: ignore[reportAttributeAccessIssue]

    def scaled(self, context: Mapping[str, Any]) -> Float[Array, " context"]:
        """The context as it is shown, the lowest of the whole set -1 and the highest 1."""
        return jnp.stack(
            [
                jnp.asarray(2 * (context[name] - low) / (high - low) - 1, jnp.float32)
                for name, low, high in self.contexts.whole.ranges
            ]
        )

    def _draw(self, key: PRNGKeyArray) -> dict[str, Array]:
        if not self.contexts.count:
            return self.contexts.middle.draw(key)
        known, which = self.contexts.learned_in, jax.random.randint(key, (), 0, self.contexts.count)
        return {name: jnp.asarray([one[name] for one in known], jnp.float32)[which] for name in known[0]}


CARTPOLE = UncertaintySet.of({"force": (1.0, 25.0), "half_length": (0.1, 2.0)})
"""Pushes from a tenth of the usual on, in N, and poles from a fifth to four times as long, in m from hinge to middle."""

PENDULUM = UncertaintySet.of({"gravity": (-15.0, 15.0), "length": (0.6, 1.4)})
"""Gravity either way, in m/s²: upright may be where the rod falls from or where it falls to. Rods of 0.6 to 1.4 m."""


def cartpole(shown: str = "joined", share: float = 0.5, count: int = 0, horizon: int = 500) -> ContextualWorld:
    """CartPole with a push and a pole of its own for every episode; `count` contexts, or 0 for all of the middle."""
    from pilothouse.worlds.cartpole import CartPole

    return _contextual(CartPole(horizon=horizon), CARTPOLE, shown, share, count)


def pendulum(shown: str = "joined", share: float = 0.5, count: int = 0, horizon: int = 200) -> ContextualWorld:
    """The pendulum with a gravity and a length of its own for every episode; `count` contexts, or 0 for all of the middle."""
    from pilothouse.worlds.pendulum import Pendulum

    return _contextual(Pendulum(horizon=horizon), PENDULUM, shown, share, count)


def _contextual(world: World, whole: UncertaintySet, shown: str, share: float, count: int) -> ContextualWorld:
    return ContextualWorld(world, Contexts(whole, share, count), shown)
