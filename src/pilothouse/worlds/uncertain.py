"""Places whose physics is drawn anew for every episode from a set that is known beforehand (domain randomisation).

The sets of MuJoCo tasks here are those of RRLS: one to three constants each, masses in kg and sliding friction. Importing
this module registers `Uncertain<task><constants>-v0` with Gymnasium, so that any command can act and learn in them:
`--env pilothouse.worlds.uncertain:UncertainHopper2-v0`.

Source: Zouitine, Bertoin, Clavier, Geist and Rachelson, "RRLS: Robust Reinforcement Learning Suite", arXiv:2406.08406,
and the authors' code for the ranges.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import gymnasium
import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.worlds.physics import assign_to
from pilothouse.worlds.world import Outcome, Task, World
from pilothouse.worlds.wrappers import _Around

RRLS: dict[str, tuple[dict[str, tuple[float, float]], ...]] = {
    "Ant": (
        {"torso.mass": (0.1, 3.0)},
        {"torso.mass": (0.1, 3.0), "front_left_leg.mass": (0.01, 3.0)},
        {"torso.mass": (0.1, 3.0), "front_left_leg.mass": (0.01, 3.0), "front_right_leg.mass": (0.01, 3.0)},
    ),
    "HalfCheetah": (
        {"friction": (0.1, 3.0)},
        {"friction": (0.1, 4.0), "torso.mass": (0.1, 7.0)},
        {"friction": (0.1, 4.0), "torso.mass": (0.1, 7.0), "bthigh.mass": (0.1, 3.0)},
    ),
    "Hopper": (
        {"floor.friction": (0.1, 3.0)},
        {"floor.friction": (0.1, 3.0), "torso.mass": (0.1, 3.0)},
        {"floor.friction": (0.1, 3.0), "torso.mass": (0.1, 3.0), "thigh.mass": (0.1, 4.0)},
    ),
    "HumanoidStandup": (
        {"torso.mass": (0.1, 16.0)},
        {"torso.mass": (0.1, 16.0), "right_foot.mass": (0.1, 8.0)},
        {"torso.mass": (0.1, 16.0), "left_thigh.mass": (0.1, 5.0), "right_foot.mass": (0.1, 8.0)},
    ),
    "InvertedPendulum": (
        {"pole.mass": (1.0, 31.0)},
        {"pole.mass": (1.0, 31.0), "cart.mass": (1.0, 11.0)},
    ),
    "Walker2d": (
        {"floor.friction": (0.1, 4.0)},
        {"floor.friction": (0.1, 4.0), "torso.mass": (0.1, 5.0)},
        {"floor.friction": (0.1, 4.0), "torso.mass": (0.1, 5.0), "thigh.mass": (0.1, 6.0)},
    ),
}
"""For each task the sets of one, two and three constants; `friction` is that of every geom."""


@dataclass(frozen=True)
class UncertaintySet:
    """Every combination of constants within these ranges, in the constants' own units."""

    ranges: tuple[tuple[str, float, float], ...]

    def __post_init__(self) -> None:
        for name, low, high in self.ranges:
            if not low < high:
                raise SettingError(f"{name} from {low!r} to {high!r}; expected low < high.")

    @classmethod
    def of(cls, ranges: Mapping[str, tuple[float, float]]) -> "UncertaintySet":
        return cls(tuple((name, float(low), float(high)) for name, (low, high) in ranges.items()))

    def grid(self, points: int = 10) -> list[dict[str, float]]:
        """`points` values of each constant, evenly from its lowest on, the highest left out; every combination."""
        axes = [np.linspace(low, high, points, endpoint=False) for _, low, high in self.ranges]
        names = [name for name, _, _ in self.ranges]
        return [dict(zip(names, map(float, values), strict=True)) for values in itertools.product(*axes)]

    def draw(self, key: PRNGKeyArray) -> dict[str, Array]:
        """Constants drawn evenly from the set: a task for worlds that take them."""
        keys = jax.random.split(key, len(self.ranges))
        return {
            name: jax.random.uniform(own, (), minval=low, maxval=high)
            for own, (name, low, high) in zip(keys, self.ranges, strict=True)
        }


class UncertainWorld(_Around, eqx.Module):
    """A JAX world whose constants are drawn from a set at every reset, but for those that the task gives.

    The world within takes tasks that are dicts of constants. Draws `physics`.
    """

    world: World
    within: UncertaintySet = eqx.field(static=True)

    @property
    def spec(self) -> Spec:
        return self.world.spec

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        given = dict(task) if isinstance(task, Mapping) else {}
        return self.world.reset({**self.within.draw(named(key, "physics")), **given}, key)

    def step(self, state: PyTree, action: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Outcome]:
        return self.world.step(state, action, key)


class UncertainSimulator(gymnasium.Wrapper):
    """A MuJoCo environment whose constants are drawn at every reset, but for those that `options` give.

    The episode's seed decides the draw, which `info["physics"]` tells.
    """

    def __init__(self, env: Any, within: UncertaintySet):
        super().__init__(env)
        self.within, self._draws = within, np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._draws = np.random.default_rng(seed)
        drawn = {name: float(self._draws.uniform(low, high)) for name, low, high in self.within.ranges}
        given = {name: float(value) for name, value in (options or {}).items() if name in drawn}
        assign_to(self.unwrapped, {**drawn, **given})
        obs, info = self.env.reset(seed=seed, options=options)
        return obs, {**info, "physics": {**drawn, **given}}


def make_uncertain(task: str, constants: int, **options: Any) -> UncertainSimulator:
    """The MuJoCo task of this name with RRLS's set of so many constants."""
    made = gymnasium.make(f"{task}-v5", disable_env_checker=True, **options)
    return UncertainSimulator(made.unwrapped, UncertaintySet.of(RRLS[task][constants - 1]))


def pendulum(horizon: int = 200) -> UncertainWorld:
    """The pendulum with a rod of any mass from 0.5 to 2 kg and any length from 0.6 to 1.4 m."""
    from pilothouse.worlds.pendulum import Pendulum

    return UncertainWorld(Pendulum(horizon=horizon), UncertaintySet.of({"mass": (0.5, 2.0), "length": (0.6, 1.4)}))


def _register() -> None:
    for task, sets in RRLS.items():
        for constants in range(1, len(sets) + 1):
            name = f"Uncertain{task}{constants}-v0"
            if name not in gymnasium.registry:
                gymnasium.register(
                    name,
                    entry_point="pilothouse.worlds.uncertain:make_uncertain",
                    max_episode_steps=gymnasium.spec(f"{task}-v5").max_episode_steps,
                    kwargs={"task": task, "constants": constants},
                )


_register()
