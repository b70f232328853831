"""Drives the cycles of an algorithm for several lanes (a seed with its settings) at once.

A stage without host steps runs as one compiled loop of any number of cycles. A stage with host steps is a *tape*:
traced steps wait until a host step needs them, and everything that waits is one compiled program, across the border of
two cycles too. So one environment step of SAC costs one call: record the last step, update, act for the next.

A machine stands at a *border* after a whole cycle. Where the next one begins with acting in simulators, the first
actions have been chosen already: they (`pending`) are part of what a checkpoint keeps. Programs are the same however
often one stops there, and so are the numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pilothouse.algorithm import interpreter
from pilothouse.algorithm.interpreter import FAULTS, Context, Source, State
from pilothouse.algorithm.steps import Algorithm, Collect, Repeat, Rule, Step
from pilothouse.algorithm.wiring import no_such_part
from pilothouse.core import trees
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError
from pilothouse.data.host_rows import WINDOW_ROWS, HostRows, larger
from pilothouse.train.dealing import Deal, divide_cpu
from pilothouse.train.simulators import Simulators

# On CPU a program dispatched in the background shares its few threads with the one it waits for, and gains nothing.
jax.config.update("jax_cpu_enable_async_dispatch", False)
divide_cpu()

Build = Callable[[Mapping[str, Any]], Algorithm]
"""From the float settings (traced or not) to the algorithm; the structure must not depend on them."""


@dataclass(frozen=True)
class Lanes:
    """The runs that share a program: one seed each, and the float settings of each."""

    seeds: tuple[int, ...]
    floats: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, seeds: Sequence[int], floats: Mapping[str, float | Sequence[float]] | None = None) -> "Lanes":
        """Lanes for these seeds; a setting is one number for all lanes or one for each."""
        wide = {}
        for name, value in (floats or {}).items():
            wide[name] = tuple(float(v) for v in value) if isinstance(value, Sequence) else (float(value),) * len(seeds)
            if len(wide[name]) != len(seeds):
                raise ValueError(f"Setting {name!r} has {len(wide[name])} values for {len(seeds)} lanes.")
        return cls(tuple(seeds), wide)

    def __len__(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class _Op:
    """One piece of a tape: what to run (static), in which round of each `Repeat`, and what it is given (arrays)."""

    kind: str  # "step", "act", "record", "end"
    stage: int
    address: str
    cycle: int
    rounds: tuple[int, ...] = ()
    given: Any = ()
    going: np.ndarray | None = None
    """Which lanes move, where those that are at the end of a `Repeat` wait for the others; None is all."""

    def static(self, base: int) -> tuple[Any, ...]:
        """All of it that a program is compiled for; cycles are counted from `base`."""
        return (
            self.kind,
            self.stage,
            self.address,
            self.cycle - base,
            len(self.rounds),
            jax.tree.structure(self.given),
            self.going is not None,
        )


@dataclass
class _TapeProgram:
    """A compiled tape: from and to the state's leaves, whose structures are kept here, found while tracing."""

    run: Callable[..., Any]
    before: Any
    after: Any = None


class Machine:
    """An algorithm in motion. `advance(n)` runs n cycles of every lane and returns the metrics' sums.

    `adopt` brings parts made earlier, by name, with a leading axis of lanes (those of another machine, say).
    """

    def __init__(
        self,
        build: Build,
        lanes: Lanes,
        *,
        fixed: Mapping[str, PyTree] | None = None,
        worlds: Mapping[str, Source | Simulators] | None = None,
        cycles: int = 1,
        adopt: Mapping[str, PyTree] | None = None,
    ):
        self.build, self.lanes, self.fixed = build, lanes, dict(fixed or {})
        self._on_disk = {name: rows for name, rows in self.fixed.items() if isinstance(rows, HostRows)}
        self.fixed |= {name: rows.window(np.zeros(1, np.int64), 1) for name, rows in self._on_disk.items()}
        self._unseen, self._cycles_a_window, self._window_of = dict(self.fixed), 1, (-1, 0, 0)
        self.worlds = dict(worlds or {})
        self.structure = build({name: values[0] for name, values in lanes.floats.items()})
        self._lane_structures: tuple[Algorithm, ...] = ()
        self.environments = {name: source.environments for name, source in self.worlds.items()}
        self.keys = jax.vmap(jax.random.key)(jnp.asarray(lanes.seeds, jnp.uint32))
        self.floats = {name: jnp.asarray(values) for name, values in lanes.floats.items()}
        self.traces: dict[Any, int] = {}
        self.total_cycles, self.done = cycles, 0
        self.updates, self.env_steps = 0, 0
        self.pending: Any = None
        self._programs: dict[Any, Callable[..., Any]] = {}
        self._tapes: dict[Any, _TapeProgram] = {}
        self._tape: Iterator[None] | None = None
        self._waiting: list[_Op] = []
        self._sums: list[tuple[Any, Any]] = []
        self._host_sums: dict[str, np.ndarray] = {}
        self._carried: tuple[str, ...] = ()
        self.state = self._initial_state(adopt)
        self._deal = None if self._on_disk else Deal.of(len(lanes), self.state, self.fixed)
        self._dealt: tuple[Any, ...] | None = None

    # ------------------------------------------------------------------------------------------------ state and stages

    @property
    def state(self) -> State:
        """Every part and optimiser state, with a leading axis of lanes. Held as leaves: a tape passes no trees about."""
        return jax.tree.unflatten(self._layout, self._leaves)

    @state.setter
    def state(self, state: State) -> None:
        self._leaves, self._layout = jax.tree.flatten(state)

    def _traced_worlds(self) -> dict[str, Source]:
        return {name: source for name, source in self.worlds.items() if isinstance(source, Source)}

    def _initial_state(self, adopt: Mapping[str, PyTree] | None) -> State:
        hosts = {name: s.environments for name, s in self.worlds.items() if isinstance(s, Simulators)}

        def one(key: Any, floats: Mapping[str, Any], fixed: Any, adopt: Any) -> State:
            return interpreter.init(self.build(floats), key, self._traced_worlds(), fixed, adopt, hosts)

        state = self._over_lanes("init", one, (0, 0, None, 0))(self.keys, self.floats, self.fixed, dict(adopt or {}))
        self._carried = tuple(state.parts)
        return State(dict(state.parts), dict(state.opt))

    def _over_lanes(
        self,
        name: Any,
        function: Callable[..., Any],
        axes: tuple[Any, ...],
        donate: tuple[int, ...] = (),
        bare: bool = False,
        deal: Deal | None = None,
    ) -> Callable[..., Any]:
        """Compile over lanes. One lane runs without the axis: a batched product of one is slower than a product.

        With `bare` the state of a single lane is without the axis outside the program too. With a `deal` the arguments
        have to be dealt out already.
        """
        self.traces.setdefault(name, 0)

        def counted(*args: Any) -> Any:
            self.traces[name] += 1
            if deal is not None:
                return deal.program(function, axes)(*args)
            if len(self.lanes) > 1:
                return jax.vmap(function, in_axes=axes)(*args)
            worn = (None, *axes[1:]) if bare else axes
            answer = function(*[_without_axis(a) if axis == 0 else a for a, axis in zip(args, worn, strict=True)])
            if not bare:
                return _with_axis(answer)
            return (answer[0], *_with_axis(answer[1:])) if isinstance(answer, tuple) else _with_axis(answer)

        return jax.jit(counted, donate_argnums=donate)

    def stage_of(self, cycle: int) -> int:
        """The stage that this cycle, counted from 0 over the whole run, belongs to."""
        left = cycle
        for number, stage in enumerate(self.structure.stages):
            if stage.cycles is None or left < stage.cycles or number == len(self.structure.stages) - 1:
                return number
            left -= stage.cycles
        raise AssertionError

    def cycles_left_in_stage(self, cycle: int) -> int | None:
        """How many cycles remain of the stage that this cycle is in; None if it has no end."""
        left = cycle
        for stage in self.structure.stages[:-1]:
            if stage.cycles is None or left < stage.cycles:
                return None if stage.cycles is None else stage.cycles - left
            left -= stage.cycles
        return None

    def is_host(self, step: Step) -> bool:
        """Whether a step, or one inside it, leaves the compiled program."""
        if isinstance(step, Repeat):
            return any(self.is_host(inner) for inner in step.steps)
        if isinstance(step, Rule):
            return step.host
        return (
            isinstance(step, Collect)
            and isinstance(step.world, str)
            and isinstance(self.worlds.get(step.world), Simulators)
        )

    def stage_is_host(self, stage: int) -> bool:
        return any(self.is_host(step) for step in self.structure.stages[stage].cycle)

    def _counts(self, stage: int) -> tuple[int, int]:
        steps = self.structure.stages[stage].cycle
        return interpreter.updates_in(steps), interpreter.env_steps_in(steps, self.environments)

    def counts_at(self, cycle: int) -> tuple[int, int]:
        """Updates and environment steps (of one lane) done before this cycle."""
        updates = steps = 0
        left = cycle
        for number, stage in enumerate(self.structure.stages):
            last = number == len(self.structure.stages) - 1
            here = left if last or stage.cycles is None else min(left, stage.cycles)
            more = self._counts(number)
            updates, steps, left = updates + here * more[0], steps + here * more[1], left - here
        return updates, steps

    def clock_at(self, cycle: int) -> dict[str, Any]:
        """The clock at the start of this cycle, as NumPy scalars."""
        updates, steps = self.counts_at(cycle)
        return {
            "stage": np.int32(self.stage_of(cycle)),
            "cycle": np.int32(cycle),
            "updates": np.int32(updates),
            "env_steps": np.int32(steps),
            "progress": np.minimum(np.float32(1), np.float32(cycle) / self._total),
        }

    @property
    def _total(self) -> np.float32:
        return np.float32(max(1, self.total_cycles))

    def _traced_clock(self, stage: int, cycle: Any, total: Any) -> dict[str, Any]:
        """The clock at the start of a traced cycle of this stage: the numbers of `clock_at`, whoever counts."""
        first = sum(stage.cycles or 0 for stage in self.structure.stages[:stage])
        updates, steps = self.counts_at(first)
        more = self._counts(stage)
        return {
            "stage": jnp.int32(stage),
            "cycle": cycle,
            "updates": updates + (cycle - first) * more[0],
            "env_steps": steps + (cycle - first) * more[1],
            "progress": jnp.minimum(1.0, cycle.astype(jnp.float32) / total),
        }

    def faults(self) -> np.ndarray:
        """By lane and objective, the update at which it turned non-finite; -1 is never."""
        return np.asarray(self.state.opt[FAULTS])

    # ------------------------------------------------------------------------------------------------------- advancing

    def advance(self, number: int) -> dict[str, np.ndarray]:
        """Run this many cycles. Returns metrics by name as `(lanes, 2)`: sum and count."""
        end = self.done + number
        while self.done < end:
            stage = self.stage_of(self.done)
            if self.stage_is_host(stage):
                if self._on_disk:
                    raise WiringError(f"A stage with steps on the host asks for a dataset that {larger('rows')}")
                several = self._cycles_until(end, self.done)
                with self._bare():
                    for _ in range(several):
                        self._advance_tape()
                self.done += several
            else:
                several = self._cycles_until(end, self.done)
                several = self._look_ahead(stage, several) if self._on_disk else several
                self._advance_traced(stage, several)
                self.done += several
            new = self.stage_of(self.done)
            if new != stage and not (self.stage_is_host(stage) and self.stage_is_host(new)):
                self._enter(new)
        self.updates, self.env_steps = self.counts_at(self.done)
        return self._take_sums()

    def _cycles_until(self, end: int, done: int) -> int:
        """Cycles from `done` to `end`, or to the end of the stage."""
        left = self.cycles_left_in_stage(done)
        return end - done if left is None else min(end - done, left)

    def _enter(self, stage: int, *, bare: bool = False) -> None:
        """Begin a stage: fresh optimiser state where it asks for that. With `bare` a single lane's state has no axis."""
        if not interpreter.restarted(self.structure, stage):
            return

        def one(state: State, floats: Mapping[str, Any]) -> tuple[State]:
            return (interpreter.start_stage(self.build(floats), stage, state),)

        (self.state,) = self._over_lanes(("enter", stage), one, (0, 0), bare=bare)(self.state, self.floats)

    def stand_at(self, cycle: int) -> None:
        """Stand before this cycle with values of no meaning, every structure as it is there."""
        self.done = cycle
        for stage in range(1, self.stage_of(cycle) + 1):
            self._enter(stage)

    def _look_ahead(self, stage: int, number: int) -> int:
        """Fetch what the next cycles draw from datasets on disk, if it is not there; returns for how many of these it is."""
        of_stage, first, last = self._window_of
        if of_stage == stage and first <= self.done < last:
            return min(number, last - self.done)
        name = ("rows", stage)
        if name not in self._programs:

            def of_cycle(key: Any, floats: Any, fixed: Any, cycle: Any, total: Any) -> Any:
                clock = self._traced_clock(stage, cycle, total)
                return interpreter.planned_rows(Context(self.build(floats), stage, fixed, clock, key, {}))

            def ahead(key: Any, floats: Any, fixed: Any, cycle: Any, total: Any) -> Any:
                return jax.lax.map(lambda i: of_cycle(key, floats, fixed, cycle + i, total), jnp.arange(several))

            lane = jax.tree.map(lambda x: x[0], (self.keys, self.floats))
            drawn = jax.eval_shape(of_cycle, *lane, self._unseen, np.int32(0), self._total)
            most = max((sum(x.size for x in numbers) for numbers in drawn.values()), default=1)
            several = self._cycles_a_window = max(1, WINDOW_ROWS // (most * len(self.lanes)))
            self._programs[name] = self._over_lanes(name, ahead, (0, 0, None, None, None))
        now = (np.int32(self.done), self._total)
        drawn = jax.device_get(self._programs[name](self.keys, self.floats, self._unseen, *now))
        for data, numbers in drawn.items():
            if data in self._on_disk:
                flat = np.concatenate([np.ravel(x) for x in numbers])
                self.fixed[data] = self._on_disk[data].window(flat, len(flat))
        self._window_of = (stage, self.done, self.done + self._cycles_a_window)
        return min(number, self._cycles_a_window)

    def _advance_traced(self, stage: int, number: int) -> None:
        name = ("loop", stage)
        if name not in self._programs:

            def one(state: State, key: Any, floats: Any, fixed: Any, cycle: Any, number: Any, total: Any) -> Any:
                algorithm, worlds = self.build(floats), self._traced_worlds()
                clock = self._traced_clock(stage, cycle, total)

                def ahead(now: dict[str, Any]) -> dict[str, Any]:
                    return self._traced_clock(stage, now["cycle"] + 1, total)

                state, sums = interpreter.cycles(algorithm, state, fixed, clock, key, worlds, number, ahead, stage)
                return state, _pack(sums)

            axes = (0, 0, 0, None, None, None, None)
            self._programs[name] = self._over_lanes(name, one, axes, donate=(0,), deal=self._deal)
        now = (np.int32(self.done), np.int32(number), self._total)
        if self._deal is None:
            self.state, sums = self._programs[name](self.state, self.keys, self.floats, self.fixed, *now)
        else:
            if self._dealt is None:  # what no program changes is dealt once
                self._dealt = (*self._deal.out((self.keys, self.floats)), self._deal.everywhere(self.fixed))
            state, sums = self._programs[name](self._deal.out(self.state), *self._dealt, *now)
            self.state, sums = self._deal.back((state, sums))
        self._sums.append((name, sums))

    # --------------------------------------------------------------------------------------------------------- the tape

    @contextmanager
    def _bare(self) -> Iterator[None]:
        """While a tape runs, a single lane's state has no axis of lanes.

        With that axis XLA sees a store through two shapes and copies all of it at every step. Taking it off and putting
        it on again, with the buffers given away, moves nothing.
        """
        if len(self.lanes) > 1:
            yield
            return
        self._leaves = _take_axis_off(self._leaves)
        try:
            yield
        finally:
            self._leaves = _put_axis_on(self._leaves)

    def _advance_tape(self) -> None:
        if self._tape is None:
            self._tape = self._run_tape(self.done)
            next(self._tape)
        next(self._tape, None)

    def prime(self) -> None:
        """Go to the border that a checkpoint of a host stage keeps, the first actions chosen."""
        if self._tape is None and self.stage_is_host(self.stage_of(self.done)):
            with self._bare():
                self._tape = self._run_tape(self.done)
                next(self._tape)

    def adopt_state(self, state: State, pending: Any) -> None:
        """Go on from this state, and from the answer that a host stage was waiting for."""
        self.state, self.pending = state, pending
        self._tape, self._waiting, self._sums, self._host_sums = None, [], [], {}
        self.updates, self.env_steps = self.counts_at(self.done)

    def _run_tape(self, cycle: int) -> Iterator[None]:
        """Cycles from this one on. Stands still once a cycle, at its border; ends where a traced stage begins."""
        while self.stage_is_host(self.stage_of(cycle)):
            stage = self.stage_of(cycle)
            steps, border = self.structure.stages[stage].cycle, [False]
            if not self._acts_first(steps):
                self._answer(cycle, border)
                border[0] = True
                self.pending = []
                yield
                self.pending = None
            yield from self._run_host_steps(steps, stage, cycle, "", (), border, None)
            self._waiting.append(_Op("end", stage, "", cycle))
            cycle += 1
            new = self.stage_of(cycle)
            if new != stage and self.stage_is_host(new) and interpreter.restarted(self.structure, new):
                self._flush(cycle)
                self._enter(new, bare=True)
        self._flush(cycle)
        self._tape = None

    def _acts_first(self, steps: tuple[Step, ...]) -> bool:
        """Whether a cycle begins with acting on the host, for sure: then the border lies between choosing and doing."""
        first = steps[0]
        if isinstance(first, Repeat):
            return first.until is None and first.times > 0 and self._acts_first(first.steps)
        return isinstance(first, Collect) and self.is_host(first)

    def _run_host_steps(
        self,
        steps: tuple[Step, ...],
        stage: int,
        cycle: int,
        prefix: str,
        rounds: tuple[int, ...],
        border: list[bool],
        going: np.ndarray | None,
    ) -> Iterator[None]:
        for index, step in enumerate(steps):
            address = f"{prefix}{index}"
            if not self.is_host(step):
                self._waiting.append(_Op("step", stage, address, cycle, rounds, going=going))
            elif isinstance(step, Collect):
                yield from self._collect(step, stage, cycle, address, rounds, border, going)
            elif isinstance(step, Rule):
                self._flush(cycle)
                self._host_rule(step, stage, cycle, address, rounds, going)
            elif isinstance(step, Repeat):
                yield from self._host_repeat(step, stage, cycle, address, rounds, border, going)

    def _host_repeat(
        self,
        repeat: Repeat,
        stage: int,
        cycle: int,
        address: str,
        rounds: tuple[int, ...],
        border: list[bool],
        going: np.ndarray | None,
    ) -> Iterator[None]:
        """Rounds until every lane is at its end. A lane that is there keeps its parts; its simulators and scratch go on."""
        made = np.zeros(len(self.lanes))
        for number in range(repeat.times):
            if repeat.until is not None:
                ended = self._holds(repeat, stage, cycle, address)
                left = ~ended if going is None else going & ~ended
                if not left.any():
                    break
                going = None if left.all() else left
                made += left
            yield from self._run_host_steps(repeat.steps, stage, cycle, f"{address}.", (*rounds, number), border, going)
        if repeat.until is not None:
            before = self._host_sums.get(f"repeat/{address}", 0.0)
            self._host_sums[f"repeat/{address}"] = before + np.stack([made, np.ones_like(made)], axis=1)

    def _answer(self, cycle: int, border: list[bool]) -> list[Any]:
        """What the waiting steps answer: run them, or take the answer that a checkpoint kept."""
        if self.pending is not None and not border[0]:
            self._waiting.clear()
            answer, self.pending = self.pending, None
            return answer
        return self._flush(cycle)

    def _collect(
        self,
        step: Collect,
        stage: int,
        cycle: int,
        address: str,
        rounds: tuple[int, ...],
        border: list[bool],
        going: np.ndarray | None,
    ) -> Iterator[None]:
        assert isinstance(step.world, str)
        simulators = self.worlds[step.world]
        assert isinstance(simulators, Simulators)
        # Where an answer of before waits, as after a checkpoint is read, the new episodes have begun already.
        if step.fresh and (self.pending is None or border[0]):
            simulators.begin_all()
        rows: list[Batch] = []
        alive = np.ones(0, bool)
        for number in range(step.steps):
            seen = simulators.obs(), simulators.episode_id()
            self._waiting.append(_Op("act", stage, address, cycle, (*rounds, number), seen, going))
            action, extra = self._answer(cycle, border)[-1]
            if not border[0]:
                border[0] = True
                self.pending = [(action, extra)]
                yield
                self.pending = None
            action, extra = jax.tree.map(np.asarray, (action, extra))
            row = simulators.step(action, extra)
            if step.fresh:
                alive = row.valid if number == 0 else alive
                row, alive = _while_alive(row, alive)
            rows.append(row)
        stacked = rows[0] if len(rows) == 1 else jax.tree.map(lambda *x: np.stack(x, axis=1), *rows)
        if len(rows) == 1:
            stacked = jax.tree.map(lambda x: x[:, None], stacked)
        ended = simulators.take_finished()
        for name, value in (_one_episode_each(stacked) if step.fresh else ended).items():
            self._host_sums[name] = self._host_sums.get(name, 0.0) + value
        self._waiting.append(_Op("record", stage, address, cycle, given=stacked, going=going))

    def _structure_of(self, lane: int) -> Algorithm:
        """The algorithm with this lane's own settings, which the Python of a host rule closes over."""
        if not self.floats:
            return self.structure
        if not self._lane_structures:
            values = self.lanes.floats.items()
            self._lane_structures = tuple(
                self.build({name: v[i] for name, v in values}) for i in range(len(self.lanes))
            )
        return self._lane_structures[lane]

    def _host_rule(
        self, rule: Rule, stage: int, cycle: int, address: str, rounds: tuple[int, ...], going: np.ndarray | None
    ) -> None:
        """Run a rule in Python, one lane at a time, on arrays that are fetched when it reads them."""
        clock = self.clock_at(cycle)
        steps = self.structure.stages[stage].cycle
        clock["updates"] = np.int32(clock["updates"] + interpreter.updates_before(steps, address, rounds))
        state = self.state
        parts, declared = state.parts, self.structure.parts
        together = len(self.lanes) > 1
        faulty = np.asarray(state.opt[FAULTS]).reshape(len(self.lanes), -1) >= 0
        moves = ~faulty.any(axis=1) & (np.ones(len(self.lanes), bool) if going is None else going)
        written: list[dict[str, Any]] = []
        for lane in range(len(self.lanes)):
            algorithm = self._structure_of(lane)
            mine = interpreter.step_at(algorithm.stages[stage].cycle, address)
            assert isinstance(mine, Rule)
            view = _Lane(parts, self.fixed, clock, lane if together else None, f"Rule {mine.label!r}")
            now = {name: jnp.asarray(value) for name, value in clock.items()}
            key = Context(algorithm, stage, {}, now, self.keys[lane], {}).step_key(address, rounds)
            written.append(interpreter.checked_writes(mine, mine.change(view, None, {}, key)))
        for name in rule.writes:
            each = [jax.tree.map(jnp.asarray, lane[name]) for lane in written]
            if name in parts:
                olds = [
                    jax.tree.map(lambda x, i=i: x[i] if together else x, parts[name]) for i in range(len(self.lanes))
                ]
                each = [interpreter.same_form(rule.label, name, *pair) for pair in zip(olds, each, strict=True)]
                if name in declared:
                    each = [new if move else old for new, old, move in zip(each, olds, moves, strict=True)]
            state.parts[name] = jax.tree.map(lambda *x: jnp.stack(x), *each) if together else each[0]
        self.state = state

    def _holds(self, repeat: Repeat, stage: int, cycle: int, address: str) -> np.ndarray:
        """Whether a host-driven `Repeat … until` has reached its end, by lane."""
        self._flush(cycle)
        name = ("until", stage, address, self._layout)
        if name not in self._programs:

            def one(state: State, key: Any, floats: Any, fixed: Any, clock: Any) -> Any:
                algorithm = self.build(floats)
                found = interpreter.step_at(algorithm.stages[stage].cycle, address)
                assert isinstance(found, Repeat) and found.until is not None
                context = Context(algorithm, stage, fixed, clock, key, {})
                return found.until(context.view(state.parts, f"The end of Repeat {address}"))

            self._programs[name] = self._over_lanes(name, one, (0, 0, 0, None, None), bare=True)
        answer = self._programs[name](self.state, self.keys, self.floats, self.fixed, self.clock_at(cycle))
        return np.asarray(answer)

    def _flush(self, cycle: int) -> list[Any]:
        """Run everything that waits as one program; the answers of its `act` steps."""
        if not self._waiting:
            return []
        ops, self._waiting = self._waiting, []
        base = ops[0].cycle
        name = tuple(op.static(base) for op in ops)
        number = 0  # one program for each set of scratch parts that these steps find
        while (program := self._tapes.get((name, number))) is not None and program.before != self._layout:
            number += 1
        if program is None:
            program = self._tapes[name, number] = self._compile_tape((name, number), ops)
        given = [op.given if op.going is None else (op.given, op.going) for op in ops]
        rounds = np.array([number for op in ops for number in op.rounds], np.int32)
        self._leaves, answers, sums = program.run(
            self._leaves, self.keys, self.floats, given, self.fixed, np.int32(base), self._total, rounds
        )
        self._layout = program.after
        self._sums.append((name, sums))
        return answers

    def _compile_tape(self, name: Any, ops: list[_Op]) -> _TapeProgram:
        base = ops[0].cycle
        some = [op.going is not None for op in ops]
        # Without what they were given: there is no reason to keep the first rows alive.
        ops = [replace(op, cycle=op.cycle - base, given=(), going=None) for op in ops]
        program = _TapeProgram(lambda: None, self._layout)

        def one(
            leaves: Any, key: Any, floats: Any, given: Any, fixed: Any, base: Any, total: Any, rounds: Any
        ) -> tuple[Any, Any, Any]:
            algorithm = self.build(floats)
            state: State = jax.tree.unflatten(program.before, leaves)
            parts, opt, sums, answers, read = dict(state.parts), dict(state.opt), {}, [], 0
            for op, mine, waits in zip(ops, given, some, strict=True):
                clock = self._traced_clock(op.stage, base + op.cycle, total)
                context = Context(algorithm, op.stage, fixed, clock, key, self._traced_worlds())
                if op.kind == "end":
                    parts = {n: parts[n] for n in self._carried}
                    continue
                mine, going = mine if waits else (mine, None)
                before, said = (parts, opt), {}
                step = interpreter.step_at(algorithm.stages[op.stage].cycle, op.address)
                now = tuple(rounds[read : read + len(op.rounds)])
                read += len(op.rounds)
                if op.kind == "step":
                    parts, opt, said = interpreter.run_step(step, parts, opt, context, op.address, now)
                elif op.kind == "act":
                    assert isinstance(step, Collect)
                    action, extra, parts = interpreter.act_once(step, parts, context, op.address, now, *mine)
                    answers.append((action, extra))
                else:
                    assert isinstance(step, Collect)
                    parts = {**parts, **interpreter.put(parts, step.into, mine)}
                if going is not None:
                    held = {n: trees.where(going, parts[n], before[0][n]) for n in algorithm.parts}
                    parts, opt = {**parts, **held}, trees.where(going, opt, before[1])
                    said = jax.tree.map(lambda x, going=going: jnp.where(going, x, jnp.zeros_like(x)), said)
                sums = interpreter.add_sums(sums, said)
            leaves, program.after = jax.tree.flatten(State(parts, opt))
            return leaves, answers, _pack(sums)

        axes = (0, 0, 0, 0, None, None, None, None)
        program.run = self._over_lanes(name, one, axes, donate=(0,), bare=True)
        return program

    # ---------------------------------------------------------------------------------------------------------- metrics

    def _take_sums(self) -> dict[str, np.ndarray]:
        totals = dict(self._host_sums)
        self._host_sums = {}
        for _, (names, packed) in ((name, _unpack(sums)) for name, sums in self._sums):
            for index, label in enumerate(names):
                totals[label] = totals.get(label, 0.0) + packed[:, index].astype(np.float64)
        self._sums = []
        return totals


def _without_axis(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], tree)


def _with_axis(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[None], tree)


_take_axis_off = jax.jit(lambda tree: jax.tree.map(lambda x: x.reshape(x.shape[1:]), tree), donate_argnums=0)
_put_axis_on = jax.jit(_with_axis, donate_argnums=0)


def _while_alive(row: Batch, alive: np.ndarray) -> tuple[Batch, np.ndarray]:
    """A row of fresh episodes `(lanes, environments)`, without what comes after an end; and which episodes go on."""
    ends = {name: row[name] & alive for name in ("terminated", "truncated")}
    row = row.replace(valid=alive, reward=np.where(alive, row.reward, np.float32(0)), **ends)
    return row, alive & ~(ends["terminated"] | ends["truncated"])


def _one_episode_each(rows: Batch) -> dict[str, np.ndarray]:
    """Sums and counts, by lane, of returns and lengths of fresh episodes `(lanes, steps, environments)`."""
    count = np.full(rows.reward.shape[0], rows.reward.shape[2], np.float64)
    totals = {"episode/return": rows.reward.sum(axis=(1, 2)), "episode/length": rows.valid.sum(axis=(1, 2))}
    return {name: np.stack([total, count], axis=1) for name, total in totals.items()}


class _Packed:
    """Sums as one array `(names, 2)`, the names static: one small array a call instead of two scalars a metric."""

    def __init__(self, names: tuple[str, ...], values: Any):
        self.names, self.values = names, values


jax.tree_util.register_pytree_node(
    _Packed, lambda p: ((p.values,), p.names), lambda names, children: _Packed(names, children[0])
)


def _pack(sums: Mapping[str, tuple[Any, Any]]) -> _Packed:
    names = tuple(sorted(sums))
    if not names:
        return _Packed((), jnp.zeros((0, 2)))
    return _Packed(names, jnp.stack([jnp.stack([jnp.float32(sums[n][0]), jnp.float32(sums[n][1])]) for n in names]))


def _unpack(packed: _Packed) -> tuple[tuple[str, ...], np.ndarray]:
    return packed.names, np.asarray(packed.values)


class _Lane(Mapping[str, Any]):
    """The parts of one lane (None: they have no axis of lanes) as NumPy arrays, fetched when read."""

    def __init__(
        self,
        parts: Mapping[str, PyTree],
        fixed: Mapping[str, PyTree],
        clock: Mapping[str, Any],
        lane: int | None,
        reader: str,
    ):
        self._parts, self._fixed, self._clock, self._lane = parts, fixed, clock, lane
        self._reader = reader

    def __getitem__(self, name: str) -> Any:
        if name == "clock":
            return self._clock
        if name in self._parts:
            return jax.tree.map(lambda x: np.asarray(x if self._lane is None else x[self._lane]), self._parts[name])
        if name in self._fixed:
            return jax.tree.map(np.asarray, self._fixed[name])
        raise no_such_part(self._reader, name, self)

    def __contains__(self, name: object) -> bool:
        return name == "clock" or name in self._parts or name in self._fixed

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default

    def __iter__(self) -> Iterator[str]:
        return iter({**self._parts, **self._fixed, "clock": None})

    def __len__(self) -> int:
        return len({**self._parts, **self._fixed}) + 1
