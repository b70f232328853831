"""Small spaces that a recipe can be built for without a source, to show what it is made of."""

from typing import Any

from pilothouse.algorithm.recipe import Recipe, Takes
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Repeat, Rule, Step, copy_of
from pilothouse.core.errors import PilothouseError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec, Tokens

SPACES: dict[str, Space] = {
    "Box": Box((2,), -1.0, 1.0),
    "Discrete": Discrete(3),
    "MultiDiscrete": MultiDiscrete((2, 3)),
    "Dict": DictSpace.of({"choice": Discrete(2), "force": Box((1,), -1.0, 1.0)}),
    "Tokens": Tokens(vocabulary=16, longest=4, prompt=4),
}


def toy_spec(takes: Takes | None) -> Spec:
    """A small spec that a recipe accepts: the first kind of action that it takes, and a vector or text observed."""
    action = SPACES[takes.action[0]] if takes is not None else SPACES["Box"]
    return Spec(action if isinstance(action, Tokens) else Box((3,)), action)


def parts_of(made: Recipe) -> dict[str, dict[str, Any]] | None:
    """Every part of a recipe's algorithm: `copy_of` (a part, or None), `trained_by` and `written_by` (labels).

    None for a recipe that makes no algorithm (a transform, an estimator, an explainer), or that cannot be built from
    spaces alone.
    """
    if made.makes != "Algorithm":
        return None
    try:
        algorithm: Algorithm = made().build(toy_spec(made.takes))
    except PilothouseError:
        return None
    steps = [step for stage in algorithm.stages for step in _flat(stage.cycle)]
    objectives = [objective for step in steps if isinstance(step, Fit) for objective in step.objectives]
    writers = [writer for step in steps for writer in _writers(step)]
    return {
        name: {
            "copy_of": how.part if isinstance(how, copy_of) else None,
            "trained_by": _once(objective.label for objective in objectives if name in objective.trains),
            "written_by": _once(label for label, written in writers if name in written),
        }
        for name, how in algorithm.parts.items()
    }


def _writers(step: Step) -> list[tuple[str, tuple[str, ...]]]:
    """What a step writes other than by gradients: labels, each with the names of parts."""
    match step:
        case Collect():
            return [("collect", (step.into,))]
        case Rule():
            return [(step.label, step.writes)]
        case Fit():
            return [("batches", step.batches.writes), *((rule.label, rule.writes) for rule in step.after)]
    return []


def _flat(steps: tuple[Step, ...]) -> list[Step]:
    """All steps, those inside repeats included."""
    return [inner for step in steps for inner in (_flat(step.steps) if isinstance(step, Repeat) else [step])]


def _once(labels: Any) -> list[str]:
    return list(dict.fromkeys(labels))
