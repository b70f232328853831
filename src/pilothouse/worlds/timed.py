"""The state of a world with a time limit, and what a task may say about an episode of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pilothouse.core.errors import SettingError, unknown
from pilothouse.worlds.world import Outcome, Task


class Timed(eqx.Module):
    """What a world with a time limit remembers.

    `body` is the world's own state, `time` the number of steps since the reset, `constants` the physics that this
    episode's task changed (empty for most: then it costs nothing).
    """

    body: Float[Array, " body"]
    time: Int[Array, ""]
    constants: dict[str, Float[Array, ""]]

    @classmethod
    def at(cls, body: Any, time: int = 0, constants: Mapping[str, Any] | None = None) -> Self:
        """The state with this body, `time` steps after the reset."""
        changed = {name: jnp.asarray(value, jnp.float32) for name, value in (constants or {}).items()}
        return cls(jnp.asarray(body, jnp.float32), jnp.asarray(time, jnp.int32), changed)


def start_and_constants(world: Any, task: Task) -> tuple[Any | None, dict[str, Any]]:
    """What a task says: the body to begin with (`task["start"]`, None when it does not say) and changed constants.

    Raises `SettingError` for a task that is neither `()` nor a mapping, `UnknownNameError` for a name that is no float
    field of the world.
    """
    if isinstance(task, tuple) and not task:
        return None, {}
    if not isinstance(task, Mapping):
        raise SettingError(
            f"A task of {type(world).__name__} is () or a dict of constants and `start`, not {type(task).__name__}."
        )
    known = [field.name for field in dataclasses.fields(world) if field.type in (float, "float")]
    for name in task:
        if name != "start" and name not in known:
            raise unknown(f"constant of {type(world).__name__}", name, [*known, "start"])
    return task.get("start"), {name: value for name, value in task.items() if name != "start"}


def check_reward(reward: str) -> None:
    """Raises `SettingError` unless this is a way of paying: `sparse` or `dense`."""
    if reward not in ("sparse", "dense"):
        raise SettingError(f"reward={reward!r}; expected 'sparse' or 'dense'.")


def outcome(obs: Any, reward: Any, terminated: Any, time: Array, horizon: int, **extra: Any) -> Outcome:
    """The outcome of a step that ended at `time`: truncated from `horizon` on, whether or not it also terminated."""
    reward = jnp.asarray(reward, jnp.float32)
    return Outcome(obs, reward, jnp.asarray(terminated, bool), time >= horizon, extra)
