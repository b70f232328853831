"""JAX worlds by name: what `--world NAME` looks up. A world's module is imported when it is first asked for."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from pilothouse.core.errors import SettingError, unknown
from pilothouse.worlds.world import World

_WORLDS = {
    "cartpole": ("cartpole", "CartPole"),
    "pendulum": ("pendulum", "Pendulum"),
    "pendulum-sparse": ("pendulum", "SparsePendulum"),
    "pendulum-uncertain": ("uncertain", "pendulum"),
    "cartpole-context": ("contextual", "cartpole"),
    "pendulum-context": ("contextual", "pendulum"),
    "acrobot": ("acrobot", "Acrobot"),
    "mountain-car-continuous": ("mountain_car_continuous", "MountainCarContinuous"),
    "mountain-car-sparse": ("mountain_car_continuous", "SparseMountainCar"),
    "point-maze": ("point_maze", "PointMaze"),
    "tabular": ("registry", "_garnet"),
    "linear-bandit": ("linear_bandit", "LinearBandit"),
    "robot-fish": ("robot_fish", "RobotFish"),
    "tidy-up": ("tidy_up", "TidyUp"),
    "door-key": ("door_key", "DoorKey"),
    "arc-grids": ("arc_grids", "ArcGrids"),
    "skirmish": ("skirmish", "Skirmish"),
    "karel": ("karel", "Karel"),
    "karel-programs": ("karel_programs", "KarelPrograms"),
    "arithmetic": ("arithmetic", "Arithmetic"),
    "cartpole-pictures": ("pictures", "cartpole"),
    "pendulum-pictures": ("pictures", "pendulum"),
    "mountain-car-pictures": ("pictures", "mountain_car"),
    "point-maze-pictures": ("pictures", "point_maze"),
}


def names() -> tuple[str, ...]:
    """The names that `world` knows."""
    return tuple(_WORLDS)


def world(name: str, **options: Any) -> World:
    """The world of this name, its constants changed by `options` (such as `horizon=200`, `maze="medium"`).

    Raises `UnknownNameError` for an unknown name or option, `SettingError` for an option of the wrong type or a
    horizon below 1; both say what is known.
    """
    if name not in _WORLDS:
        raise unknown("world", name, _WORLDS)
    module, attribute = _WORLDS[name]
    make = getattr(importlib.import_module(f"pilothouse.worlds.{module}"), attribute)
    known = _options(make)
    for option, value in options.items():
        if option not in known:
            raise unknown(f"option of world {name!r}", option, known)
        options[option] = _checked(name, option, value, known[option])
    return make(**options)


def options_of(name: str) -> dict[str, Any]:
    """The options of a world, with their defaults."""
    if name not in _WORLDS:
        raise unknown("world", name, _WORLDS)
    module, attribute = _WORLDS[name]
    return _options(getattr(importlib.import_module(f"pilothouse.worlds.{module}"), attribute))


def _options(make: Callable[..., Any]) -> dict[str, Any]:
    if dataclasses.is_dataclass(make):
        return {field.name: field.default for field in dataclasses.fields(make)}
    return {option.name: option.default for option in inspect.signature(make).parameters.values()}


def _checked(world_name: str, option: str, value: Any, default: Any) -> Any:
    """The value; a whole number becomes a float where one stands. Options with default None are whole numbers."""
    wanted = int if default is None else type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise SettingError(f"World {world_name!r}: {option}={value!r}; expected {wanted.__name__}, as in {default!r}.")
    if option == "horizon" and value < 1:
        raise SettingError(f"World {world_name!r}: horizon={value}; expected at least 1 step.")
    return value


def _garnet(
    states: int = 20, actions: int = 4, branching: int = 3, terminals: int = 0, horizon: int = 100, seed: int = 0
) -> World:
    """A random tabular world; the same `seed` is the same world."""
    import jax

    from pilothouse.worlds.tabular import Tabular

    key = jax.random.key(seed)
    return Tabular.garnet(states, actions, branching, terminals=terminals, horizon=horizon, key=key)
