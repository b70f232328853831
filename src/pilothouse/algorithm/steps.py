"""What an algorithm is: named parts, and an ordered cycle of four kinds of step.

    Collect   act in a world, into a store
    Rule      any change that is not one gradient step: advantages, slow copies, duals, refits, relabelling
    Fit       batches -> one backward pass -> optimisers -> rules after each update
    Repeat    the only control flow: these steps, so many times, or until

Everything here is a plain description. It holds no arrays and is never an argument of a compiled program;
`interpreter.py` runs it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import optax
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from pilothouse.algorithm.schedules import Schedule
from pilothouse.core.aliases import Aux, Initialise, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.policies.policy import Policy

Grads = dict[str, PyTree]


@dataclass(frozen=True)
class Objective:
    """A loss, and the names of the parts that it trains.

    `loss(parts, batch, key) -> (scalar, aux)`. Every objective of an update gets the same key and sees the parts from
    before the update; draw with `named(key, "…")`. `weight` may read schedules and multipliers from the parts.
    """

    loss: Loss
    trains: tuple[str, ...]
    weight: float | Callable[[Parts], Scalar] = 1.0
    name: str = ""

    @property
    def label(self) -> str:
        """What errors and metrics call it."""
        function = getattr(self.loss, "__name__", "loss").removesuffix("_loss")
        return self.name or (function if function not in ("loss", "<lambda>") else "+".join(self.trains))


@dataclass(frozen=True)
class Rule:
    """A change that is not one gradient step.

    `change(parts, batch, aux, key)` returns a value for exactly the names in `writes`. As a step of the cycle, batch
    is None and aux empty; in `Fit.after` they are those of the update. A `host` rule runs as Python on NumPy arrays,
    one seed at a time, and returns arrays of unchanging shape.
    """

    change: Callable[[Parts, Batch | None, Aux, PRNGKeyArray], Mapping[str, PyTree]]
    writes: tuple[str, ...]
    host: bool = False
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or getattr(self.change, "__name__", "rule")


@runtime_checkable
class Batches(Protocol):
    """Where a fit's batches come from.

    `plan` makes the tickets of all updates at once (leading axis: updates, a static number); `take` turns one ticket
    into a batch, and returns what taking changed (settled priorities), under the names in `writes`.
    """

    @property
    def reads(self) -> tuple[str, ...]: ...

    @property
    def writes(self) -> tuple[str, ...]: ...

    def plan(self, parts: Parts, key: PRNGKeyArray, times: int) -> PyTree: ...

    def take(self, parts: Parts, ticket: PyTree, key: PRNGKeyArray) -> tuple[Batch, Mapping[str, PyTree]]: ...


@dataclass(frozen=True)
class Fit:
    """Updates: take a batch, one backward pass for all objectives, each part's optimiser, the rules after.

    A fit differentiates the union of its objectives' `trains`; gradients stop only between siblings, so that a part
    which no objective here trains stays an ordinary input that an outer derivative passes through. `combine` turns
    one gradient per objective into one (surgery). With `microbatches` the batch is cut along its leading axis and
    gradients add up: losses must then be sums weighted by weights that sum to one over the whole batch.
    """

    objectives: tuple[Objective, ...]
    batches: Batches
    times: int = 1
    after: tuple[Rule, ...] = ()
    combine: Callable[[Parts, tuple[Grads, ...]], Grads] | None = None
    microbatches: int = 1

    @property
    def trains(self) -> tuple[str, ...]:
        """The parts that receive gradients here, in order, each once."""
        return tuple(dict.fromkeys(name for objective in self.objectives for name in objective.trains))


@dataclass(frozen=True)
class Collect:
    """Act in a world for `steps` steps of each of its environments, into a store or a scratch name.

    A store (a part that knows how to `add`) is added to; any other name is replaced by a batch with leading axes
    `(steps, environments)`. `task` draws what each episode is given; `fresh` begins new episodes now and stops each at
    its end (later rows are not `valid`), with the tasks kept beside the rows as `task`; `each` means that the policy
    is a stack, one for each environment; `environments` overrides the number of them, for a world made of parts.
    """

    into: str
    steps: int
    policy: Callable[[Parts], Policy]
    world: str | Callable[[Parts], Any] = "world"
    task: Callable[[Parts, PRNGKeyArray], PyTree] | None = None
    fresh: bool = False
    each: bool = False
    environments: int | None = None


@dataclass(frozen=True)
class Repeat:
    """These steps `times` times; with `until`, tested before each round, at most so often."""

    steps: tuple["Step", ...]
    times: int
    until: Callable[[Parts], Bool[Array, ""]] | None = None


Step = Collect | Rule | Fit | Repeat


@dataclass(frozen=True)
class Stage:
    """A cycle run `cycles` times, or until the run ends. A given optimiser starts from fresh state."""

    cycle: tuple[Step, ...]
    cycles: int | None = None
    optimizer: Any = None


def walk(steps: tuple[Step, ...], prefix: str = "") -> Iterator[tuple[str, Step]]:
    """Every step of a cycle with its address, depth first; `Repeat` itself included."""
    for index, step in enumerate(steps):
        address = f"{prefix}{index}"
        yield address, step
        if isinstance(step, Repeat):
            yield from walk(step.steps, f"{address}.")


def trained_parts(stage: Stage) -> tuple[str, ...]:
    """The parts that some fit of this stage trains."""
    return tuple(dict.fromkeys(name for _, step in walk(stage.cycle) if isinstance(step, Fit) for name in step.trains))


class copy_of:  # noqa: N801  (reads as a verb where it is used)
    """A part that begins as a copy of another."""

    def __init__(self, part: str):
        self.part = part


Optimizer = optax.GradientTransformation | optax.GradientTransformationExtraArgs


@dataclass(frozen=True)
class Algorithm:
    """Parts and how they are made, stages, how it acts, optimisers. A plain description without arrays.

    `acts` gives the policy that is evaluated and saved. `optimizer` is one for all parts, or a mapping by part;
    state is kept per part, so what is clipped together is one part. `schedule` multiplies every update.
    """

    parts: Mapping[str, Initialise | copy_of]
    stages: tuple[Stage, ...]
    acts: Callable[[Parts], Policy]
    optimizer: Optimizer | Mapping[str, Optimizer] = field(default_factory=lambda: optax.adam(3e-4))
    schedule: Schedule | None = None

    @classmethod
    def of(
        cls,
        *,
        parts: Mapping[str, Initialise | copy_of],
        cycle: tuple[Step, ...],
        acts: Callable[[Parts], Policy],
        optimizer: Optimizer | Mapping[str, Optimizer],
    ) -> "Algorithm":
        """An algorithm of one stage."""
        return cls(parts=parts, stages=(Stage(cycle),), acts=acts, optimizer=optimizer)

    def optimizer_of(self, part: str, stage: Stage) -> Optimizer:
        """The optimiser of one part in one stage."""
        chosen = stage.optimizer if stage.optimizer is not None else self.optimizer
        return chosen[part] if isinstance(chosen, Mapping) else chosen
