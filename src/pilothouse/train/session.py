"""Learning in memory: a machine, its borders, and what is measured at them. `run.py` adds the folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import PyTree

from pilothouse.algorithm.interpreter import objectives_of
from pilothouse.algorithm.recipe import Bound, saying_what
from pilothouse.algorithm.schedules import schedule_named
from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.errors import SettingError
from pilothouse.train.evaluation import Evaluation, evaluation
from pilothouse.train.machine import Build, Lanes, Machine
from pilothouse.train.simulators import Simulators
from pilothouse.train.sources import (
    ContinuedSource,
    DataSource,
    PairSource,
    SimulatorSource,
    Source,
    WorldSource,
    check_fits,
    in_hand,
)


@dataclass(frozen=True)
class Plan:
    """How long, and how often to look. All in cycles; fixed when a run begins and kept in its config."""

    cycles: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    steps: int
    """The true number of steps of `cycles` cycles, in the unit of `steps_at`."""
    online_from: int = 0
    """The cycle that is the first in the world, for what learned from data before; the cadence is counted from here."""
    offline_every: int = 1
    """Before that: logs and checkpoints so often. What was learned from the data is measured once, at their end."""

    def next_border(self, done: int) -> int:
        """The next cycle at which anything is due."""
        if done < self.online_from:
            return min((done // self.offline_every + 1) * self.offline_every, self.online_from)
        lived = done - self.online_from
        ends = [(lived // every + 1) * every for every in (self.log_every, self.evaluate_every, self.checkpoint_every)]
        return min(self.online_from + min(ends), self.cycles)

    def due(self, every: int, done: int) -> bool:
        """Whether this cycle is one of every so many, or the last, or the border between data and world."""
        return done >= self.online_from and ((done - self.online_from) % every == 0 or done >= self.cycles)

    def checkpoint_due(self, done: int) -> bool:
        return done < self.online_from or self.due(self.checkpoint_every, done)


def offline_cycles(machine: Machine) -> int:
    """Cycles of the stages before the first that acts in a world."""
    done = 0
    for stage in machine.structure.stages[:-1]:
        if machine.counts_at(done + (stage.cycles or 0))[1]:
            break
        done += stage.cycles or 0
    return done


def steps_at(machine: Machine, source: Source, cycle: int) -> int:
    """Steps before this cycle: environment steps in a world, and updates from data, pairs and text.

    Where learning from data goes on in a world: the updates before that, and from there on environment steps.
    """
    updates, env_steps = machine.counts_at(cycle)
    if source.kind == "continued":
        return machine.counts_at(min(cycle, offline_cycles(machine)))[0] + env_steps
    return env_steps if source.kind == "world" else updates


def plan_for(machine: Machine, source: Source, steps: int, *, evaluations: int, logs: int = 50) -> Plan:
    """Cycles that make at least so many steps, and borders spread evenly over them.

    From data into a world, `steps` are those in the world, and looks are spread over these: `evaluations` of them after
    the one at the border.
    """
    if steps < 1:
        raise SettingError(f"steps={steps}; expected at least 1.")
    unit = 1 if source.kind in ("world", "continued") else 0
    low, high = 1, steps + sum(stage.cycles or 0 for stage in machine.structure.stages)
    if machine.counts_at(high)[unit] < steps:
        raise SettingError(
            "This recipe's last stage makes no steps of the kind that --steps counts; nothing would be learned."
        )
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if machine.counts_at(middle)[unit] >= steps else (middle + 1, high)
    begins = offline_cycles(machine) if source.kind == "continued" else 0
    log = max(1, (low - begins) // logs)
    look = log * max(1, round((low - begins) / max(1, evaluations) / log))
    return Plan(low, log, look, look, steps_at(machine, source, low), begins, max(1, begins // max(1, evaluations)))


@dataclass
class Look:
    """What was seen at a border: metrics (mean over the steps since the last), and returns if measured."""

    cycle: int
    step: int
    metrics: dict[str, np.ndarray]
    returns: np.ndarray | None
    seconds: float


@dataclass
class Session:
    """A bound recipe (or a plain algorithm), a source, and the lanes that learn."""

    build: Build
    source: Source
    machine: Machine
    evaluate: Evaluation | None
    episodes: int
    looks: list[Look] = field(default_factory=list)

    def close(self) -> None:
        for world in self.machine.worlds.values():
            if isinstance(world, Simulators):
                world.close()

    def run(self, plan: Plan, at_border: Callable[[Look], bool] | None = None) -> None:
        """Go on to the plan's end. `at_border` is told of every look, and says whether to go on."""
        self.machine.total_cycles = plan.cycles
        while self.machine.done < plan.cycles:
            start = time.perf_counter()
            sums = self.machine.advance(plan.next_border(self.machine.done) - self.machine.done)
            metrics = {name: pair[:, 0] / np.where(pair[:, 1] == 0, np.nan, pair[:, 1]) for name, pair in sums.items()}
            seconds = time.perf_counter() - start
            returns = None
            if self.evaluate is not None and plan.due(plan.evaluate_every, self.machine.done):
                returns = self.evaluate(self.machine.state.parts, self.machine.floats)
            look = Look(self.machine.done, self.step, metrics, returns, seconds)
            self.looks.append(look)
            if at_border is not None and not at_border(look):
                return

    @property
    def step(self) -> int:
        """Steps done, as `steps_at` counts them."""
        return steps_at(self.machine, self.source, self.machine.done)

    def diverged(self) -> np.ndarray:
        """Which lanes met a loss that was not finite, and froze at their last finite state."""
        return np.asarray((self.machine.faults() >= 0).any(axis=1))

    def fault_lines(self) -> list[str]:
        """For each diverged lane, which objective failed and when."""
        names = [objective.label for _, objective in objectives_of(self.machine.structure)]
        lines = []
        for lane, faults in zip(self.machine.lanes.seeds, self.machine.faults(), strict=True):
            for name, update in zip(names, faults, strict=True):
                if update >= 0:
                    lines.append(f"seed {lane}: the loss of {name!r} was not finite at update {update}")
        return lines

    def final_returns(self) -> np.ndarray:
        """`(lanes, episodes)` of the last look that measured; NaN without any."""
        for look in reversed(self.looks):
            if look.returns is not None:
                return look.returns
        return np.full((len(self.machine.lanes), 1), np.nan)

    def policy_parts(self, lane: int) -> dict[str, PyTree]:
        import jax

        from pilothouse.train.evaluation import acting_parts

        return jax.tree.map(lambda x: np.asarray(x[lane]), acting_parts(self.machine.state.parts))


def builder(algorithm: Bound | Algorithm, source: Source, schedule: str = "constant") -> Build:
    """From float settings to the algorithm, for this source's spec in unit actions."""
    factor = schedule_named(schedule)

    def scheduled(made: Algorithm) -> Algorithm:
        return made if factor is None else replace(made, schedule=factor)

    if isinstance(algorithm, Algorithm):
        return lambda floats: scheduled(algorithm)
    if algorithm.recipe.makes != "Algorithm":
        raise SettingError(
            f"Recipe {algorithm.name!r} makes a {algorithm.recipe.makes.lower()}; it learns nothing by itself. "
            f"`pilothouse show {algorithm.name}` says what it does, `pilothouse reproduce {algorithm.name}` measures it."
        )
    with saying_what(algorithm.name, algorithm.recipe.takes):
        spec = source.spec.unit()
    check_fits(algorithm.name, algorithm.recipe.takes, source)
    return lambda floats: scheduled(algorithm.build(spec, floats))


def measured_in(source: Source) -> WorldSource | SimulatorSource | None:
    """Where policies learned from this source are measured."""
    if isinstance(source, DataSource | PairSource):
        return source.evaluation
    if isinstance(source, ContinuedSource):
        return source.measured or source.place
    return source if isinstance(source, WorldSource | SimulatorSource) else None


def open_session(
    algorithm: Bound | Algorithm,
    source: Source,
    *,
    seeds: Sequence[int],
    floats: Mapping[str, float | Sequence[float]] | None = None,
    episodes: int = 20,
    schedule: str = "constant",
    adopt: Mapping[str, PyTree] | None = None,
) -> Session:
    """Everything made, nothing learned. `floats` gives lanes settings of their own: of a recipe, which is made of them.

    Raises `SettingError` for no seeds, and for `floats` of an algorithm that is already made.
    """
    if not seeds:
        raise SettingError("seeds=0; expected at least one seed.")
    if floats and isinstance(algorithm, Algorithm):
        raise SettingError(
            f"floats={sorted(floats)} were given with an algorithm that is already made. Give the recipe with its settings, "
            'such as `pilothouse.recipe("iql")`, whose float settings lanes may have each their own.'
        )
    build = builder(algorithm, source, schedule)
    given = dict(algorithm.floats if isinstance(algorithm, Bound) else {}) | dict(floats or {})
    lanes = Lanes.of(seeds, given)
    fixed = in_hand(algorithm.recipe.takes if isinstance(algorithm, Bound) else None, source)
    machine = Machine(build, lanes, fixed=fixed, worlds=source.worlds(lanes.seeds), adopt=adopt)
    where = measured_in(source)
    measure = None
    if where is not None and episodes > 0:
        measure = evaluation(build, where, source.scaling, episodes=episodes)
    return Session(build, source, machine, measure, episodes)


def learn(
    algorithm: Bound | Algorithm,
    source: Source,
    *,
    steps: int,
    seeds: Sequence[int],
    floats: Mapping[str, float | Sequence[float]] | None = None,
    episodes: int = 20,
    evaluations: int = 1,
    schedule: str = "constant",
    adopt: Mapping[str, PyTree] | None = None,
) -> Session:
    """Learn in memory and return the session at its end: what claims and comparisons use."""
    session = open_session(
        algorithm, source, seeds=seeds, floats=floats, episodes=episodes, schedule=schedule, adopt=adopt
    )
    try:
        session.run(plan_for(session.machine, source, steps, evaluations=evaluations))
    finally:
        session.close()
    return session
