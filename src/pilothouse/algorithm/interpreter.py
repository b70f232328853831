"""The one interpreter of cycles.

`init` makes the state, `cycle` runs one cycle as a pure function, `run_steps` runs some of its steps. Host steps (host
rules, and collecting in a `HostWorld`) cut a cycle into traced runs; `train` drives those, with the pieces here.

Random keys: the key of a step is the seed's key folded by cycle, by the step's address and by the round of a
`Repeat`; nothing random is stored. The clock is shared by all seeds and never vmapped.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, Stage, Step, copy_of
from pilothouse.core import trees
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError, nearest
from pilothouse.core.keys import at, named
from pilothouse.rollout.collect import Sums, act, begin, collect, collect_fresh, fresh_carries
from pilothouse.worlds.world import World

FAULTS = "faults"
"""The entry of `State.opt` that says, for each objective, at which update it turned non-finite; -1 is never."""


CARRY = "carry@"
"""How the parts begin that hold the carries of policies acting in host worlds; the address of the step follows."""


class State(NamedTuple):
    """Arrays only, donated. `parts` holds every carried part; `opt` the optimiser state of each trained part."""

    parts: dict[str, PyTree]
    opt: dict[str, PyTree]


@dataclass(frozen=True)
class Source:
    """A JAX world and how many copies of it are acted in at once."""

    world: World
    environments: int = 1


Worlds = Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """What stays the same during one cycle."""

    algorithm: Algorithm
    stage: int
    fixed: Mapping[str, PyTree]
    clock: Mapping[str, Any]
    key: PRNGKeyArray
    worlds: Worlds

    def step_key(self, address: str, rounds: tuple[Array | int, ...] = ()) -> PRNGKeyArray:
        key = jax.random.fold_in(at(self.key, self.clock["cycle"]), zlib.crc32(f"{self.stage}/{address}".encode()))
        return at(key, *rounds)

    def view(self, parts: Parts) -> dict[str, PyTree]:
        """What steps read: the parts, the fixed data, and the clock."""
        return {**self.fixed, **parts, "clock": self.clock}


# ---------------------------------------------------------------------------------------------------------------- init


def walk(steps: tuple[Step, ...], prefix: str = "") -> Iterator[tuple[str, Step]]:
    """Every step of a cycle with its address, depth first; `Repeat` itself included."""
    for index, step in enumerate(steps):
        address = f"{prefix}{index}"
        yield address, step
        if isinstance(step, Repeat):
            yield from walk(step.steps, f"{address}.")


def step_at(steps: tuple[Step, ...], address: str) -> Step:
    """The step at an address such as `1.0`."""
    head, _, rest = address.partition(".")
    step = steps[int(head)]
    return step_at(step.steps, rest) if rest and isinstance(step, Repeat) else step


def objectives_of(algorithm: Algorithm) -> list[tuple[str, Objective]]:
    """Every objective with its address `stage/step/number`; the order of the fault record."""
    return [
        (f"{number}/{address}/{index}", objective)
        for number, stage in enumerate(algorithm.stages)
        for address, step in walk(stage.cycle)
        if isinstance(step, Fit)
        for index, objective in enumerate(step.objectives)
    ]


def trained_parts(stage: Stage) -> tuple[str, ...]:
    """The parts that some fit of this stage trains."""
    return tuple(dict.fromkeys(name for _, step in walk(stage.cycle) if isinstance(step, Fit) for name in step.trains))


def init_parts(algorithm: Algorithm, key: PRNGKeyArray, adopt: Mapping[str, PyTree] | None = None) -> dict[str, PyTree]:
    """Every declared part. `adopt` brings parts made earlier, by name (another run's, a loaded model)."""
    parts: dict[str, PyTree] = {}
    for name, make in algorithm.parts.items():
        if adopt is not None and name in adopt:
            parts[name] = trees.strengthen(adopt[name])
        elif isinstance(make, copy_of):
            if make.part not in parts:
                raise WiringError(
                    f"Part {name!r} is a copy of {make.part!r}, which is not made before it.{nearest(make.part, parts)} "
                    "List the original first in `parts=`."
                )
            parts[name] = trees.strengthen(parts[make.part])
        else:
            part = make(named(key, name))
            for path, leaf in trees.named_leaves(part).items():
                if not eqx.is_array_like(leaf):
                    raise WiringError(
                        f"Part {name!r} holds {path} = {leaf!r}, which is not an array. "
                        "Mark that field `eqx.field(static=True)`: parts hold arrays only."
                    )
            parts[name] = trees.strengthen(part)
    return parts


def init_worlds(algorithm: Algorithm, parts: Parts, worlds: Worlds, key: PRNGKeyArray) -> dict[str, PyTree]:
    """Where each JAX world stands at first: a part under the world's own name, if some step acts on in it."""
    standing: dict[str, PyTree] = {}
    for number, stage in enumerate(algorithm.stages):
        for address, step in walk(stage.cycle):
            if not (isinstance(step, Collect) and isinstance(step.world, str)) or step.fresh:
                continue
            source = worlds.get(step.world)
            if not isinstance(source, Source):
                continue
            world_key = named(key, step.world)
            if step.world not in standing:
                tasks = draw_tasks(step, parts, source.environments, named(world_key, "task"))
                standing[step.world] = begin(source.world, tasks, source.environments, world_key)
            acting = standing[step.world]
            carry = fresh_carries(step.policy(parts), acting.task, source.environments, world_key, each=step.each)
            if jax.tree.leaves(carry):
                belongs = jnp.full(source.environments, -1, jnp.int32)  # no episode: the first use begins anew
                acting.carries[f"{number}/{address}"] = (belongs, carry)
    return {name: trees.strengthen(value) for name, value in standing.items()}


def init_optimizers(algorithm: Algorithm, stage: Stage, parts: Parts) -> dict[str, PyTree]:
    """Fresh optimiser state for every part that this stage trains."""
    return {
        name: trees.strengthen(algorithm.optimizer_of(name, stage).init(eqx.filter(parts[name], eqx.is_inexact_array)))
        for name in trained_parts(stage)
    }


def init(
    algorithm: Algorithm,
    key: PRNGKeyArray,
    worlds: Worlds | None = None,
    fixed: Mapping[str, PyTree] | None = None,
    adopt: Mapping[str, PyTree] | None = None,
    hosts: Mapping[str, int] | None = None,
) -> State:
    """The state before the first cycle: parts, worlds at the start of an episode, optimiser state.

    `hosts` says how many environments each host world has.
    """
    parts = init_parts(algorithm, named(key, "parts"), adopt)
    view = {**(fixed or {}), **parts}
    parts |= {
        name: value
        for name, value in init_worlds(algorithm, view, worlds or {}, named(key, "worlds")).items()
        if name not in parts
    }
    view = {**view, **parts}
    parts |= trees.strengthen(init_host_carries(algorithm, view, hosts or {}, named(key, "carries")))
    opt: dict[str, PyTree] = {}
    for stage in algorithm.stages:
        made = init_optimizers(algorithm, stage, parts)
        opt |= {name: value for name, value in made.items() if name not in opt}
    opt[FAULTS] = jnp.full(len(objectives_of(algorithm)), -1, jnp.int32)
    return State(parts, opt)


def start_stage(algorithm: Algorithm, stage: Stage, state: State) -> State:
    """A stage with an optimiser of its own begins with fresh optimiser state; any other goes on with what there is."""
    if stage.optimizer is None:
        return state
    return State(state.parts, {**state.opt, **init_optimizers(algorithm, stage, state.parts)})


# ------------------------------------------------------------------------------------------------------------- counting


def start_clock() -> dict[str, Array]:
    """The clock before the first cycle."""
    zero = jnp.zeros((), jnp.int32)
    return {"stage": zero, "cycle": zero, "updates": zero, "env_steps": zero, "progress": jnp.zeros(())}


def updates_in(steps: tuple[Step, ...], view: Parts | None = None) -> int:
    """Gradient updates in one cycle; rounds of a `Repeat … until` are not foreseen and do not count."""
    total = 0
    for step in steps:
        if isinstance(step, Fit):
            epochs, minibatches = getattr(step.batches, "epochs", 1), getattr(step.batches, "minibatches", 1)
            total += step.times * epochs * minibatches
        elif isinstance(step, Repeat) and step.until is None:
            total += step.times * updates_in(step.steps, view)
    return total


def env_steps_in(steps: tuple[Step, ...], environments: Mapping[str, int]) -> int:
    """Environment steps in one cycle, over the named worlds; steps in worlds made of parts are thought, not lived."""
    total = 0
    for step in steps:
        if isinstance(step, Collect) and isinstance(step.world, str):
            total += step.steps * (step.environments or environments[step.world])
        elif isinstance(step, Repeat):
            total += step.times * env_steps_in(step.steps, environments)
    return total


# ----------------------------------------------------------------------------------------------------------------- steps


def add_sums(one: Sums, other: Sums) -> Sums:
    """Metrics added up by name."""
    merged = dict(one)
    for name, (value, count) in other.items():
        before = merged.get(name, (0.0, 0.0))
        merged[name] = (before[0] + value, before[1] + count)
    return merged


def draw_tasks(step: Collect, view: Parts, environments: int, key: PRNGKeyArray) -> PyTree:
    """One task for each environment; `()` without a `task`."""
    return step.task(view, key) if step.task is not None else ()


def put(parts: Parts, into: str, rows: Batch) -> dict[str, PyTree]:
    """Rows `(steps, environments, …)` into a store, or in place of what was there."""
    target = parts.get(into)
    if target is not None and hasattr(target, "add"):
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows.without("task"))
        return {into: target.add(flat)}
    return {into: rows}


def run_collect(step: Collect, parts: dict, context: Context, address: str, key: PRNGKeyArray) -> tuple[dict, Sums]:
    """Act in a JAX world, into a store or a scratch name."""
    view = context.view(parts)
    if isinstance(step.world, str):
        source = context.worlds[step.world]
        world, environments = source.world, step.environments or source.environments
    else:
        world, environments = step.world(view), step.environments or 1
    policy = step.policy(view)
    if step.fresh or not isinstance(step.world, str):
        tasks = draw_tasks(step, view, environments, named(key, "tasks"))
        rows, sums = collect_fresh(policy, world, tasks, environments, step.steps, key, each=step.each)
        return {**parts, **put(parts, step.into, rows)}, sums
    draw = (lambda task_key: draw_tasks(step, view, environments, task_key)) if step.task is not None else None
    acting, rows, sums = collect(
        policy, world, parts[step.world], f"{context.stage}/{address}", step.steps, draw, key, each=step.each
    )
    return {**parts, step.world: acting, **put(parts, step.into, rows)}, sums


def checked_writes(rule: Rule, written: Mapping[str, PyTree]) -> dict[str, PyTree]:
    if set(written) != set(rule.writes):
        raise WiringError(
            f"Rule {rule.label!r} returned {sorted(written)}, but declares writes={sorted(rule.writes)}. Make them equal."
        )
    return dict(written)


def run_rule(rule: Rule, parts: dict, context: Context, key: PRNGKeyArray) -> dict:
    """A rule as a step of the cycle."""
    return {**parts, **checked_writes(rule, rule.change(context.view(parts), None, {}, key))}


def run_fit(
    fit: Fit, parts: dict, opt: dict, context: Context, address: str, key: PRNGKeyArray
) -> tuple[dict, dict, Sums]:
    """All updates of a fit, scanned. Carries only what the fit writes; the rest is closed over."""
    tickets = fit.batches.plan(context.view(parts), named(key, "plan"), fit.times)
    written = dict.fromkeys((*fit.trains, *fit.batches.writes, *(name for rule in fit.after for name in rule.writes)))
    carried = {name: parts[name] for name in written if name in parts}
    carried_opt = {name: opt[name] for name in (*fit.trains, FAULTS)}
    first = _first_objective(context, address)

    def one(state: tuple[dict, dict, Array], ticket: PyTree) -> tuple[tuple[dict, dict, Array], Sums]:
        changing, changing_opt, count = state
        clock = {**context.clock, "updates": context.clock["updates"] + count}
        inner = replace(context, clock=clock)
        update_key = at(key, count)
        new, new_opt, sums = _update(fit, {**parts, **changing}, changing_opt, inner, ticket, first, update_key)
        return ({name: new[name] for name in written}, new_opt, count + 1), sums

    number = jax.tree.leaves(tickets)[0].shape[0]
    if number == 1:  # a loop of one round costs copies and compile time
        (carried, carried_opt, _), sums = one(
            (carried, carried_opt, jnp.zeros((), jnp.int32)), jax.tree.map(lambda x: x[0], tickets)
        )
    else:
        missing = [name for name in written if name not in parts]
        if missing:
            raise WiringError(f"A fit writes {missing} which no earlier step made. Declare them in `parts=`.")
        start = (carried, carried_opt, jnp.zeros((), jnp.int32))
        (carried, carried_opt, _), stacked = jax.lax.scan(one, start, tickets)
        sums = jax.tree.map(lambda x: x.sum(axis=0), stacked)
    return {**parts, **carried}, {**opt, **carried_opt}, sums


def _first_objective(context: Context, address: str) -> int:
    prefix = f"{context.stage}/{address}/"
    return next((i for i, (name, _) in enumerate(objectives_of(context.algorithm)) if name.startswith(prefix)), 0)


def _update(
    fit: Fit, parts: dict, opt: dict, context: Context, ticket: PyTree, first: int, key: PRNGKeyArray
) -> tuple[dict, dict, Sums]:
    """One update: take, differentiate, step the optimisers, run the rules after."""
    view = context.view(parts)
    batch, settled = fit.batches.take(view, ticket, named(key, "take"))
    parts = {**parts, **settled}
    view = context.view(parts)
    loss_key = named(key, "loss")
    grads, losses, aux = gradients(fit, view, batch, loss_key)

    stage = context.algorithm.stages[context.stage]
    finite = jnp.isfinite(losses)
    healthy = finite.all() & trees.all_finite(grads) & (opt[FAULTS] < 0).all()

    def value_fn(name: str, rest: PyTree, candidate: PyTree) -> Array:
        return _total(fit, {**view, name: eqx.combine(candidate, rest)}, batch, loss_key)[0]

    learn = {name: eqx.filter(parts[name], eqx.is_inexact_array) for name in fit.trains}
    rest = {name: eqx.filter(parts[name], eqx.is_inexact_array, inverse=True) for name in fit.trains}
    held = {name: opt[name] for name in fit.trains}

    def step(learn: dict, held: dict, grads: dict) -> tuple[dict, dict]:
        stepped, states = {}, {}
        for name in fit.trains:
            optimizer = optax.with_extra_args_support(context.algorithm.optimizer_of(name, stage))
            more = {
                "value": losses.sum(),
                "grad": grads[name],
                "value_fn": partial(value_fn, name, rest[name]),
                "aux": aux,
            }
            updates, states[name] = optimizer.update(grads[name], held[name], learn[name], **more)
            if context.algorithm.schedule is not None:
                factor = context.algorithm.schedule(context.clock)
                updates = jax.tree.map(lambda update, by=factor: (update * by).astype(update.dtype), updates)
            stepped[name] = optax.apply_updates(learn[name], updates)
        return stepped, states

    # A branch and not a selection: where lanes are not batched, a healthy update pays nothing for the check.
    stepped, states = jax.lax.cond(healthy, step, lambda learn, held, _: (learn, held), learn, held, grads)
    new_parts = {**parts, **{name: eqx.combine(stepped[name], rest[name]) for name in fit.trains}}
    new_opt = {**opt, **states}
    new_opt[FAULTS] = _record_faults(opt[FAULTS], finite, healthy, first, context.clock["updates"])

    for index, rule in enumerate(fit.after):
        written = rule.change(context.view(new_parts), batch, aux, at(named(key, "after"), index))
        new_parts |= checked_writes(rule, written)
    labels = [objective.label for objective in fit.objectives]
    one = jnp.ones(())
    sums: Sums = {f"loss/{label}": (value, one) for label, value in zip(labels, losses, strict=True)}
    sums |= {name: (jnp.asarray(value, jnp.float32), one) for name, value in aux.items() if jnp.ndim(value) == 0}
    return new_parts, new_opt, sums


def _record_faults(faults: Array, finite: Array, healthy: Array, first: int, update: Array) -> Array:
    """Note the update at which an objective first failed. A gradient that fails under a finite loss is noted for all."""
    blamed = jnp.where(finite.all(), jnp.ones_like(finite), ~finite)
    mine = jnp.zeros(faults.shape, bool).at[first : first + finite.shape[0]].set(blamed)
    fresh = (faults < 0).all() & ~healthy
    return jnp.where(fresh & mine, update.astype(jnp.int32), faults)


def gradients(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[dict[str, PyTree], Array, Aux]:
    """Gradients of the trained parts, the weighted losses `(objectives,)`, and everything said beside."""
    if fit.combine is not None:
        return _combined_gradients(fit, view, batch, key)
    differentiate = jax.value_and_grad(lambda trained, b: _trained_total(fit, view, trained, b, key), has_aux=True)
    trained = {name: eqx.filter(view[name], eqx.is_inexact_array) for name in fit.trains}
    if fit.microbatches == 1:
        (_, (losses, aux)), grads = differentiate(trained, batch)
        return grads, losses, aux
    cut = jax.tree.map(lambda x: x.reshape(fit.microbatches, -1, *x.shape[1:]), batch)

    def add(total: PyTree, piece: Batch) -> tuple[PyTree, Aux]:
        (_, (losses, aux)), grads = differentiate(trained, piece)
        return jax.tree.map(jnp.add, total, (grads, losses)), aux

    zeros = (jax.tree.map(jnp.zeros_like, trained), jnp.zeros(len(fit.objectives)))
    (grads, losses), aux = jax.lax.scan(add, zeros, cut)
    return grads, losses, jax.tree.map(lambda x: x.mean(axis=0) if x.ndim == 1 else x.reshape(-1, *x.shape[2:]), aux)


def _combined_gradients(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[dict[str, PyTree], Array, Aux]:
    assert fit.combine is not None
    trained = {name: eqx.filter(view[name], eqx.is_inexact_array) for name in fit.trains}
    each, losses, said = [], [], {}
    for objective in fit.objectives:
        alone = replace(fit, objectives=(objective,), combine=None)
        mine = {name: trained[name] for name in objective.trains}
        grad, (loss, aux) = jax.grad(lambda t, a=alone: _trained_total(a, view, t, batch, key), has_aux=True)(mine)
        each.append({name: grad.get(name, jax.tree.map(jnp.zeros_like, trained[name])) for name in fit.trains})
        losses.append(loss[0])
        said |= aux
    return fit.combine(view, tuple(each)), jnp.stack(losses), said


def _trained_total(
    fit: Fit, view: Parts, trained: dict[str, PyTree], batch: Batch, key: PRNGKeyArray
) -> tuple[Array, tuple[Array, Aux]]:
    whole = {
        name: eqx.combine(tree, eqx.filter(view[name], eqx.is_inexact_array, inverse=True))
        for name, tree in trained.items()
    }
    return _total(fit, {**view, **whole}, batch, key)


def _total(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Array, tuple[Array, Aux]]:
    """The sum of weighted losses. Gradients stop only at parts that a sibling trains and this objective does not."""
    losses, said = [], {}
    for objective in fit.objectives:
        siblings = [name for name in fit.trains if name not in objective.trains]
        seen = {**view, **{name: jax.lax.stop_gradient(view[name]) for name in siblings}}
        loss, aux = objective.loss(seen, batch, key)
        weight = objective.weight(seen) if callable(objective.weight) else objective.weight
        losses.append(jnp.asarray(loss * weight, jnp.float32))
        said |= aux
    stacked = jnp.stack(losses)
    return stacked.sum(), (stacked, jax.lax.stop_gradient(said))


def run_steps(
    steps: tuple[Step, ...],
    parts: dict,
    opt: dict,
    context: Context,
    prefix: str = "",
    rounds: tuple[Array | int, ...] = (),
) -> tuple[dict, dict, Sums]:
    """These steps in order. `prefix` is the address of the `Repeat` around them, `rounds` its round (and outer ones)."""
    sums: Sums = {}
    for index, step in enumerate(steps):
        address = f"{prefix}{index}"
        parts, opt, said = run_step(step, parts, opt, context, address, rounds)
        sums = add_sums(sums, said)
    return parts, opt, sums


def run_step(
    step: Step, parts: dict, opt: dict, context: Context, address: str, rounds: tuple[Array | int, ...] = ()
) -> tuple[dict, dict, Sums]:
    """One traced step."""
    key = context.step_key(address, rounds)
    match step:
        case Collect():
            parts, sums = run_collect(step, parts, context, address, key)
            return parts, opt, sums
        case Rule():
            if step.host:
                raise WiringError(f"Rule {step.label!r} runs on the host, and cannot stand inside a compiled program.")
            return run_rule(step, parts, context, key), opt, {}
        case Fit():
            return run_fit(step, parts, opt, context, address, key)
        case Repeat():
            return _run_repeat(step, parts, opt, context, address, rounds)


def _run_repeat(
    repeat: Repeat, parts: dict, opt: dict, context: Context, address: str, rounds: tuple[Array | int, ...]
) -> tuple[dict, dict, Sums]:
    """Rounds in a loop that carries whatever a round changes. Names first written inside are made by a round of shapes."""

    def body(number: Array, parts: dict, opt: dict) -> tuple[dict, dict, Sums]:
        return run_steps(repeat.steps, parts, opt, context, f"{address}.", (*rounds, number))

    shapes = jax.eval_shape(lambda p, o: body(jnp.zeros((), jnp.int32), p, o), parts, opt)
    new = {name for name in shapes[0] if name not in parts}
    parts = {**parts, **{name: _blank(shapes[0][name]) for name in new}}
    written = _writes(repeat.steps) | new
    carried = {name: parts[name] for name in written if name in parts}
    sums = _blank(shapes[2])

    def one(state: tuple[Array, dict, dict, Sums]) -> tuple[Array, dict, dict, Sums]:
        number, changing, changing_opt, sums = state
        after, after_opt, said = body(number, {**parts, **changing}, changing_opt)
        return number + 1, {name: after[name] for name in carried}, after_opt, add_sums(sums, said)

    def more(state: tuple[Array, dict, dict, Sums]) -> Array:
        number, changing, _, _ = state
        go = number < repeat.times
        if repeat.until is not None:
            go &= ~repeat.until(context.view({**parts, **changing}))
        return go

    start = (jnp.zeros((), jnp.int32), carried, opt, sums)
    number, carried, opt, sums = jax.lax.while_loop(more, one, start)
    if repeat.until is not None:
        sums = add_sums(sums, {f"repeat/{address}": (number.astype(jnp.float32), jnp.ones(()))})
    return {**parts, **carried}, opt, sums


def _blank(shapes: PyTree) -> PyTree:
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def _writes(steps: tuple[Step, ...]) -> set[str]:
    """The names that these steps declare to write."""
    names: set[str] = set()
    for _, step in walk(steps):
        match step:
            case Collect():
                names |= {step.into} | ({step.world} if isinstance(step.world, str) and not step.fresh else set())
            case Rule():
                names |= set(step.writes)
            case Fit():
                names |= {*step.trains, *step.batches.writes, *(name for rule in step.after for name in rule.writes)}
            case Repeat():
                pass
    return names


def writes_of(steps: tuple[Step, ...]) -> set[str]:
    """The names that these steps declare to write, worlds included."""
    return _writes(steps)


def cycle(
    algorithm: Algorithm,
    state: State,
    fixed: Mapping[str, PyTree],
    clock: dict[str, Array],
    key: PRNGKeyArray,
    worlds: Worlds,
    stage: int = 0,
) -> tuple[State, Sums]:
    """One cycle of one stage, pure: traced whole, differentiable through fits. No step may be on the host."""
    context = Context(algorithm, stage, fixed, clock, key, worlds)
    parts, opt, sums = run_steps(algorithm.stages[stage].cycle, dict(state.parts), dict(state.opt), context)
    return State({name: parts[name] for name in state.parts}, opt), sums


def cycles(
    algorithm: Algorithm,
    state: State,
    fixed: Mapping[str, PyTree],
    clock: dict[str, Array],
    key: PRNGKeyArray,
    worlds: Worlds,
    number: Array,
    ahead: Callable[[dict[str, Array]], dict[str, Array]],
    stage: int = 0,
) -> tuple[State, Sums]:
    """`number` cycles (a traced count: any number is the same program). `ahead` moves the clock by one cycle."""
    shapes = jax.eval_shape(lambda s: cycle(algorithm, s, fixed, clock, key, worlds, stage), state)[1]
    steps = algorithm.stages[stage].cycle
    written = {name for name in writes_of(steps) if name in state.parts}
    still = {name: value for name, value in state.parts.items() if name not in written}

    def one(carry: tuple[Array, dict, dict, dict, Sums]) -> tuple[Array, dict, dict, dict, Sums]:
        done, changing, opt, now, sums = carry
        after, said = cycle(algorithm, State({**still, **changing}, opt), fixed, now, key, worlds, stage)
        return done + 1, {name: after.parts[name] for name in changing}, after.opt, ahead(now), add_sums(sums, said)

    changing = {name: state.parts[name] for name in sorted(written)}
    start = (jnp.zeros((), jnp.int32), changing, state.opt, clock, _blank(shapes))
    _, changing, opt, _, sums = jax.lax.while_loop(lambda carry: carry[0] < number, one, start)
    return State({name: {**still, **changing}[name] for name in state.parts}, opt), sums


def act_once(
    step: Collect,
    parts: dict,
    context: Context,
    address: str,
    rounds: tuple[Array | int, ...],
    obs: PyTree,
    episode_id: Array,
) -> tuple[PyTree, PyTree, dict]:
    """One action in every environment of a host world: `(action, extra, parts)`; the carry is kept in the parts."""
    key = context.step_key(address, rounds)
    policy = step.policy(context.view(parts))
    name = f"{CARRY}{context.stage}/{address}"
    environments = episode_id.shape[0]
    carry = fresh_carries(policy, (), environments, key, each=step.each)
    if jax.tree.leaves(carry):
        belongs, kept = parts[name]
        carry = trees.where(belongs == episode_id, kept, carry)
    action, carry, extra = act(policy, obs, carry, key, each=step.each)
    if jax.tree.leaves(carry):
        parts = {**parts, name: (episode_id, carry)}
    return action, extra, parts


def init_host_carries(
    algorithm: Algorithm, parts: Parts, hosts: Mapping[str, int], key: PRNGKeyArray
) -> dict[str, PyTree]:
    """Carries of the policies that act in host worlds, by the address of the step that acts."""
    carries: dict[str, PyTree] = {}
    for number, stage in enumerate(algorithm.stages):
        for address, step in walk(stage.cycle):
            if isinstance(step, Collect) and isinstance(step.world, str) and step.world in hosts:
                carry = fresh_carries(step.policy(parts), (), hosts[step.world], key, each=step.each)
                if jax.tree.leaves(carry):
                    belongs = jnp.full(hosts[step.world], -1, jnp.int32)
                    carries[f"{CARRY}{number}/{address}"] = (belongs, carry)
    return carries
