"""Names between the steps: whoever misspells a part is told so, before anything is learned.

`check_names` compares what steps declare with what there is, when the state is made. What a function reads shows only
when it is traced: it reads from a `View`, which knows who looks.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import jax

from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Repeat, Rule, Stage, Step, trained_parts, walk
from pilothouse.core.errors import UnknownNameError, WiringError, nearest

ALIKE = 0.8
"""How alike (difflib's ratio) an undeclared name must be to a declared one to pass for a slip of the pen."""


class View(dict[str, Any]):
    """The parts as one reader sees them. Raises `UnknownNameError`, with the nearest name, for a part that is not there."""

    def __init__(self, parts: Mapping[str, Any], reader: str):
        super().__init__(parts)
        self.reader = reader

    def __missing__(self, name: str) -> Any:
        raise no_such_part(self.reader, name, self)


def no_such_part(reader: str, name: str, known: Collection[str]) -> UnknownNameError:
    """What to raise where a reader asks for a part that is not there."""
    return UnknownNameError(f"{reader} reads part {name!r}, which is not there.{nearest(name, known)} {_known(known)}")


def _flatten(view: View) -> tuple[list[tuple[Any, Any]], tuple[tuple[str, ...], str]]:
    names = tuple(sorted(view))
    return [(jax.tree_util.DictKey(name), view[name]) for name in names], (names, view.reader)


jax.tree_util.register_pytree_with_keys(
    View, _flatten, lambda about, values: View(dict(zip(about[0], values, strict=True)), about[1])
)


def _known(names: Collection[str]) -> str:
    return f"Known: {', '.join(sorted(names))}."


def check_names(algorithm: Algorithm, fixed: Collection[str] | None, worlds: Collection[str] | None) -> None:
    """Raises `WiringError` for a name that a step declares and that nothing else knows, with the nearest that is known.

    `fixed` are the names of the fixed data and `worlds` those of the worlds; None stands for "not known yet".
    """
    read_only = {"clock", *(fixed or ())}
    for name in sorted(read_only & set(algorithm.parts)):
        raise WiringError(f"Part {name!r} has the name of something read-only. Rename that part.")
    for stage in algorithm.stages:
        _check_worlds(stage, worlds)
        _check_trained(algorithm, stage)
        _check_written(algorithm, stage, read_only)
        if fixed is not None:
            _check_batches(algorithm, stage, read_only | set(worlds or ()))
    _check_optimizers(algorithm)


def _check_worlds(stage: Stage, worlds: Collection[str] | None) -> None:
    for address, step in walk(stage.cycle):
        if (
            worlds is not None
            and isinstance(step, Collect)
            and isinstance(step.world, str)
            and step.world not in worlds
        ):
            raise WiringError(
                f"Collect (step {address}) acts in world {step.world!r}, which the source does not have."
                f"{nearest(step.world, worlds)} {_known(worlds)}"
            )


def _check_trained(algorithm: Algorithm, stage: Stage) -> None:
    for _, step in walk(stage.cycle):
        for objective in step.objectives if isinstance(step, Fit) else ():
            for name in objective.trains:
                if name not in algorithm.parts:
                    raise WiringError(
                        f"Objective {objective.label!r} trains {name!r}, which `parts=` does not hold."
                        f"{nearest(name, algorithm.parts)} {_known(algorithm.parts)}"
                    )


def written_by(step: Step) -> list[tuple[str, str]]:
    """Each name that a step writes other than by gradients, with who writes it."""
    match step:
        case Collect():
            return [(step.into, "Collect")]
        case Rule():
            return [(name, f"Rule {step.label!r}") for name in step.writes]
        case Fit():
            after = [(name, f"Rule {rule.label!r}") for rule in step.after for name in rule.writes]
            return [*((name, "The sampler of a fit") for name in step.batches.writes), *after]
        case Repeat():
            return []


def _reads(step: Step) -> tuple[str, ...]:
    return tuple(step.batches.reads) if isinstance(step, Fit) else ()


def _check_written(algorithm: Algorithm, stage: Stage, read_only: Collection[str]) -> None:
    """An undeclared name is scratch, unless nobody is seen to read it and it is a declared one but for a letter or two."""
    steps = [step for _, step in walk(stage.cycle)]
    read = {name for step in steps for name in _reads(step)}
    for name, writer in (pair for step in steps for pair in written_by(step)):
        if name in read_only:
            raise WiringError(f"{writer} writes {name!r}, which is read-only. Write to a part of another name.")
        meant = difflib.get_close_matches(name, list(algorithm.parts), n=1, cutoff=ALIKE)
        if name not in algorithm.parts and name not in read and meant:
            raise WiringError(
                f"{writer} writes {name!r}, which `parts=` does not hold and no fit reads. Did you mean {meant[0]!r}? "
                "If it is meant as another part, declare it in `parts=`."
            )


def _check_batches(algorithm: Algorithm, stage: Stage, others: Collection[str]) -> None:
    steps = [step for _, step in walk(stage.cycle)]
    known = {*algorithm.parts, *others, *(name for step in steps for name, _ in written_by(step))}
    for step in steps:
        for name in _reads(step):
            if name not in known:
                raise WiringError(
                    f"{type(step.batches).__name__} draws from {name!r}, which is no part, no dataset and nothing that "  # type: ignore
                    f"this stage makes.{nearest(name, known)} {_known(known)}"
                )


def _check_optimizers(algorithm: Algorithm) -> None:
    """A mapping of optimisers names each part that is trained with it, and no other than parts."""
    users: list[tuple[Any, set[str]]] = [(stage.optimizer, set(trained_parts(stage))) for stage in algorithm.stages]
    shared = {name for optimizer, names in users if optimizer is None for name in names}
    for optimizer, trained in [(algorithm.optimizer, shared), *users]:
        if not isinstance(optimizer, Mapping):
            continue
        for name in optimizer:
            if name not in algorithm.parts:
                raise WiringError(
                    f"`optimizer=` names {name!r}, which `parts=` does not hold.{nearest(name, algorithm.parts)} "
                    f"{_known(algorithm.parts)}"
                )
        for name in sorted(trained - set(optimizer)):
            raise WiringError(
                f"Part {name!r} is trained, and `optimizer=` names none for it.{nearest(name, optimizer)} "
                f"{_known(optimizer)}"
            )
