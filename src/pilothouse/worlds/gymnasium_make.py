"""Making one Gymnasium environment from its id, with errors that say what to do."""

import importlib
from typing import Any

from pilothouse.core.errors import MissingExtraError, PilothouseError, SettingError, UnknownNameError, unknown
from pilothouse.worlds import mujoco_log


def make(env: str, *, render_mode: str | None = None, **options: Any) -> Any:
    """The environment `ID`, or `module:ID` after importing the module.

    Gymnasium's passive checker is left out (it slows every step); its time limit and order checks stay.
    """
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    module, _, name = env.rpartition(":")
    if module:
        _import(module, env)
    entry = _entry_of(name)
    if render_mode is not None and "mujoco" in str(entry):
        from pilothouse.worlds.rendering import rendering_backend

        rendering_backend()  # sets MUJOCO_GL before MuJoCo is imported
    try:
        if isinstance(entry, str):
            load_env_creator(entry)  # imports the simulator, so that its log is redirected before the first model
        mujoco_log.redirect()
        # An environment that cannot draw may not even take the argument, so None is left out.
        drawn = {} if render_mode is None else {"render_mode": render_mode}
        made = gymnasium.make(name, disable_env_checker=True, **drawn, **options)
        mujoco_log.redirect()  # for those that import it only now
    except gymnasium.error.DependencyNotInstalled as fault:
        if "mujoco" in str(fault).lower():
            raise MissingExtraError(f"The environment {env!r}", "mujoco") from fault
        raise SettingError(f"The environment {env!r} cannot be made: {fault}") from fault
    except PilothouseError:
        raise
    except Exception as fault:
        told = str(fault).strip().splitlines() or [type(fault).__name__]
        raise SettingError(f"The environment {env!r} cannot be made with {options}: {told[0]}") from fault
    return made


def _import(module: str, env: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as fault:
        raise UnknownNameError(
            f"The environment {env!r} asks for the module {module!r}, which cannot be imported: {fault}. "
            f"Install it, or put its folder on PYTHONPATH."
        ) from fault


def _entry_of(name: str) -> Any:
    """What the registry would call; `UnknownNameError` with the nearest id for names that it lacks."""
    import gymnasium

    try:
        return gymnasium.spec(name).entry_point
    except gymnasium.error.Error as fault:
        raise unknown("environment", name, gymnasium.registry) from fault
