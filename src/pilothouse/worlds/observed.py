"""What the numbers of an observation are called: by the environment itself, its MuJoCo model, or its documentation."""

from collections.abc import Sequence
from typing import Any

CARTPOLE = ("cart position", "cart velocity", "pole angle", "pole angular velocity")
PENDULUM = ("cosine of angle", "sine of angle", "angular velocity")
ACROBOT = (
    *("cosine of first angle", "sine of first angle", "cosine of second angle", "sine of second angle"),
    *("first angular velocity", "second angular velocity"),
)
MOUNTAIN_CAR = ("position", "velocity")
POINT_MAZE = ("x", "y", "x velocity", "y velocity", "goal x", "goal y")
LUNAR_LANDER = (
    "x",
    "y",
    "x velocity",
    "y velocity",
    "angle",
    "angular velocity",
    "left leg touches",
    "right leg touches",
)

DOCUMENTED = {
    "CartPoleEnv": CARTPOLE,
    "PendulumEnv": PENDULUM,
    "AcrobotEnv": ACROBOT,
    "MountainCarEnv": MOUNTAIN_CAR,
    "Continuous_MountainCarEnv": MOUNTAIN_CAR,
    "LunarLander": LUNAR_LANDER,
    "LunarLanderContinuous": LUNAR_LANDER,
}
"""Gymnasium's own, by class."""

FREE, SLIDE = 0, 2
"""Kinds of MuJoCo's joints; the others here are hinges."""
FREE_PLACES = ("x", "y", "z", "orientation w", "orientation x", "orientation y", "orientation z")
FREE_SPEEDS = ("x velocity", "y velocity", "z velocity", "x spin", "y spin", "z spin")


def observation_names(env: Any, size: int) -> tuple[str, ...] | None:
    """Names of the `size` numbers that a Gymnasium environment shows, or None where they are not known.

    Asked in turn: its own attribute `observation_names`; `observation_structure` and the joints, for MuJoCo
    environments of Gymnasium (v5); what Gymnasium's documentation says of its own classes. Names that are not as many are not used.
    """
    own = getattr(env, "unwrapped", env)
    named = getattr(own, "observation_names", None)
    structure, model = getattr(own, "observation_structure", None), getattr(own, "model", None)
    if named is not None:
        found: Sequence[str] = tuple(map(str, named))
    elif isinstance(structure, dict) and model is not None:
        found = _of_joints(structure, model)
    else:
        kind = type(own)
        found = DOCUMENTED.get(kind.__name__, ()) if kind.__module__.startswith("gymnasium.envs.") else ()
    return tuple(found) if len(found) == size and len(set(found)) == size else None


def _of_joints(structure: dict[str, int], model: Any) -> list[str]:
    """Places (those that are shown) and speeds of the joints, and what else is shown, by number."""
    places, speeds = [], []
    for number in range(model.njnt):
        joint, kind = model.joint(number), int(model.jnt_type[number])
        name = joint.name.removesuffix("_joint") or f"joint {number}"
        if kind == FREE:
            places += [f"{name} {each}" for each in FREE_PLACES]
            speeds += [f"{name} {each}" for each in FREE_SPEEDS]
        else:
            places.append(f"{name} {'position' if kind == SLIDE else 'angle'}")
            speeds.append(f"{name} velocity")
    skipped, found = int(structure.get("skipped_qpos", 0)), []
    for part, count in structure.items():
        if part == "qpos":
            found += places[skipped : skipped + count]
        elif part == "qvel":
            found += speeds[:count]
        elif part != "skipped_qpos":
            found += [f"{part} {number}" for number in range(count)]
    return found
