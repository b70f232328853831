"""`scoped`: an algorithm under names of its own, so that two can stand in one: players, a foe, an inner learner."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import (
    Algorithm,
    Batches,
    Collect,
    Fit,
    Grads,
    Objective,
    Repeat,
    Rule,
    Stage,
    Step,
    copy_of,
    walk,
)
from pilothouse.algorithm.wiring import View, written_by
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch


@dataclass(frozen=True)
class _Scope:
    """A prefix, and the names that it is put before: an algorithm's parts and what its steps write."""

    prefix: str
    own: frozenset[str]

    def out(self, name: str) -> str:
        return self.prefix + name if name in self.own else name

    def all_out(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self.out(name): value for name, value in values.items()}

    def seen(self, parts: Parts) -> Parts:
        """The parts under the names used inside. What is not the algorithm's own keeps its name, and can be read."""
        outside = {name: value for name, value in parts.items() if name not in self.own}
        inside = {name: parts[self.prefix + name] for name in self.own if self.prefix + name in parts}
        return View({**outside, **inside}, getattr(parts, "reader", self.prefix))

    def reading(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its first argument, the parts, under the names used inside."""
        return lambda parts, *rest: function(self.seen(parts), *rest)

    def rule(self, rule: Rule) -> Rule:
        def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
            return self.all_out(rule.change(self.seen(parts), batch, aux, key))

        return replace(rule, change=change, writes=tuple(map(self.out, rule.writes)), name=self.prefix + rule.label)

    def objective(self, objective: Objective) -> Objective:
        weight = objective.weight
        return Objective(
            self.reading(objective.loss),
            tuple(map(self.out, objective.trains)),
            self.reading(weight) if callable(weight) else weight,
            self.prefix + objective.label,
        )

    def fit(self, fit: Fit) -> Fit:
        combine = fit.combine

        def combined(parts: Parts, each: tuple[Grads, ...]) -> Grads:
            assert combine is not None
            inside = tuple({name: one[self.out(name)] for name in fit.trains} for one in each)
            return self.all_out(combine(self.seen(parts), inside))

        return replace(
            fit,
            objectives=tuple(map(self.objective, fit.objectives)),
            batches=_ScopedBatches(self, fit.batches),
            after=tuple(map(self.rule, fit.after)),
            combine=None if combine is None else combined,
        )

    def step(self, step: Step) -> Step:
        match step:
            case Rule():
                return self.rule(step)
            case Fit():
                return self.fit(step)
            case Repeat():
                until = None if step.until is None else self.reading(step.until)
                return replace(step, steps=tuple(map(self.step, step.steps)), until=until)
            case Collect():
                return replace(
                    step,
                    into=self.out(step.into),
                    policy=self.reading(step.policy),
                    world=step.world if isinstance(step.world, str) else self.reading(step.world),
                    task=None if step.task is None else self.reading(step.task),
                )

    def stage(self, stage: Stage) -> Stage:
        return replace(stage, cycle=tuple(map(self.step, stage.cycle)), optimizer=self.optimizer(stage.optimizer))

    def optimizer(self, optimizer: Any) -> Any:
        return self.all_out(optimizer) if isinstance(optimizer, Mapping) else optimizer


class _ScopedBatches:
    """A sampler that draws from, and writes to, parts under other names than it knows."""

    def __init__(self, scope: _Scope, inner: Batches):
        self.scope, self.inner = scope, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # how many epochs and minibatches it makes, if it says so

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(map(self.scope.out, self.inner.reads))

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(map(self.scope.out, self.inner.writes))

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree:
        return self.inner.plan(self.scope.seen(parts), key, times)

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]:
        batch, changed = self.inner.take(self.scope.seen(parts), ticket, key)
        return batch, self.scope.all_out(changed)


def scoped(prefix: str, algorithm: Algorithm) -> Algorithm:
    """The same algorithm with `prefix` before the name of each of its parts, and of whatever its steps write.

    Inside, functions go on using the names that they know; they also see the parts of others, under whole names. Fixed
    data, worlds and the clock are shared. To let two learn in one cycle, join their parts, steps and optimisers.

    **Example:** with `foe = scoped("foe/", sac(spec))`, the part `actor` is outside called `foe/actor`.
    """
    written = {name for stage in algorithm.stages for _, step in walk(stage.cycle) for name, _ in written_by(step)}
    scope = _Scope(prefix, frozenset({*algorithm.parts, *written}))

    def renamed(make: Any) -> Any:
        return copy_of(scope.out(make.part)) if isinstance(make, copy_of) else make

    return replace(
        algorithm,
        parts={scope.out(name): renamed(make) for name, make in algorithm.parts.items()},
        stages=tuple(map(scope.stage, algorithm.stages)),
        acts=scope.reading(algorithm.acts),
        optimizer=scope.optimizer(algorithm.optimizer),
    )
