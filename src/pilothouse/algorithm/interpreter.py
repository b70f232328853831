"""The one interpreter of cycles.

`init` makes the state, `cycle` runs one cycle as a pure function, `run_steps` runs some of its steps. Host steps (host
rules, and collecting in a `HostWorld`) cut a cycle into traced runs; `train` drives those, with the pieces here.

Random keys: the key of a step is the seed's key folded by cycle, by the step's address and by the round of a
`Repeat`; nothing random is stored. The clock is shared by all seeds and never vmapped.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import (
    Algorithm,
    Collect,
    Fit,
    Objective,
    Repeat,
    Rule,
    Stage,
    Step,
    copy_of,
    trained_parts,
    walk,
)
from pilothouse.algorithm.wiring import View, check_names, written_by
from pilothouse.core import trees
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError, nearest
from pilothouse.core.keys import at, named
from pilothouse.data.host_rows import check_draws, drawn_rows, larger
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

    def view(self, parts: Parts, reader: str) -> View:
        """What a step reads: the parts, the fixed data, and the clock. `reader` is who is blamed for a misspelt name."""
        return View({**self.fixed, **parts, "clock": self.clock}, reader)

    def before(self, address: str, rounds: tuple[Array | int, ...]) -> "Context":
        """This context with the clock as a step finds it: moved on by the updates of the steps before."""
        done = updates_before(self.algorithm.stages[self.stage].cycle, address, rounds)
        return replace(self, clock={**self.clock, "updates": self.clock["updates"] + done})


# ---------------------------------------------------------------------------------------------------------------- init


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

    `hosts` says how many environments each host world has. Raises `WiringError` for a misspelt name; names of worlds
    and of fixed data can be checked only if those are given.
    """
    known = None if worlds is None and hosts is None else {*(worlds or ()), *(hosts or ())}
    check_names(algorithm, fixed, known)
    parts = init_parts(algorithm, named(key, "parts"), adopt)
    view = View({**(fixed or {}), **parts}, "The policy of a Collect")
    parts |= {
        name: value
        for name, value in init_worlds(algorithm, view, worlds or {}, named(key, "worlds")).items()
        if name not in parts
    }
    view = View({**view, **parts}, view.reader)
    parts |= trees.strengthen(init_host_carries(algorithm, view, hosts or {}, named(key, "carries")))
    opt: dict[str, PyTree] = {}
    for stage in algorithm.stages:
        made = init_optimizers(algorithm, stage, parts)
        opt |= {name: value for name, value in made.items() if name not in opt}
    opt[FAULTS] = jnp.full(len(objectives_of(algorithm)), -1, jnp.int32)
    return State(parts, opt)


def restarted(algorithm: Algorithm, number: int) -> tuple[str, ...]:
    """The parts whose optimiser state begins anew with this stage.

    All that it trains, if it has an optimiser of its own; else those whose state an earlier stage's own one left behind.
    """
    own = {name: stage.optimizer for stage in algorithm.stages[:number] for name in trained_parts(stage)}
    stage = algorithm.stages[number]
    return tuple(name for name in trained_parts(stage) if stage.optimizer is not None or own.get(name) is not None)


def start_stage(algorithm: Algorithm, number: int, state: State) -> State:
    """The state as this stage takes it over: optimiser state anew where `restarted` says so, all else as it was."""
    fresh, made = restarted(algorithm, number), init_optimizers(algorithm, algorithm.stages[number], state.parts)
    return State(state.parts, {**state.opt, **{name: made[name] for name in fresh}})


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


def updates_before(steps: tuple[Step, ...], address: str, rounds: tuple[Array | int, ...] = ()) -> Array | int:
    """Gradient updates of a cycle before the step at this address, in this round of each `Repeat` around it."""
    head, _, rest = address.partition(".")
    done: Array | int = updates_in(steps[: int(head)])
    step = steps[int(head)]
    if not (rest and isinstance(step, Repeat)):
        return done
    earlier = rounds[0] * updates_in(step.steps) if step.until is None else 0
    return done + earlier + updates_before(step.steps, rest, rounds[1:])


def env_steps_in(steps: tuple[Step, ...], environments: Mapping[str, int]) -> int:
    """Environment steps in one cycle, over the named worlds; steps in worlds made of parts are thought, not lived.

    All `times` rounds of a `Repeat … until` count: a budget, which the run may leave in part unused.
    """
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
    view = context.view(parts, f"Collect (step {address})")
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


def same_form(rule: str, name: str, old: PyTree, new: PyTree) -> PyTree:
    """The new value in the old one's types; raises `WiringError` if a rule changed a part's structure or shapes."""
    if jax.tree.structure(old) != jax.tree.structure(new):
        raise WiringError(f"Rule {rule!r} returned {name!r} with another structure. Keep the structure that was made.")
    for (path, before), after in zip(trees.named_leaves(old).items(), jax.tree.leaves(new), strict=True):
        if jnp.shape(before) != jnp.shape(after):
            where = f"{name}/{path}" if path else name
            raise WiringError(
                f"Rule {rule!r} returned {where} of shape {jnp.shape(after)}; it was {jnp.shape(before)}. "
                "Keep arrays of fixed capacity, and a count beside them."
            )
    return jax.tree.map(lambda before, after: jnp.asarray(after).astype(before.dtype), old, new)


def run_rule(rule: Rule, parts: dict, opt: dict, context: Context, key: PRNGKeyArray) -> dict:
    """A rule as a step of the cycle. In a frozen lane it moves scratch only."""
    view = context.view(parts, f"Rule {rule.label!r}")
    written = checked_writes(rule, rule.change(view, None, {}, key))
    frozen = (opt[FAULTS] >= 0).any()
    for name in written:
        if name in context.algorithm.parts:
            new = same_form(rule.label, name, parts[name], written[name])
            written[name] = trees.where(frozen, parts[name], new)
    return {**parts, **written}


def run_fit(
    fit: Fit, parts: dict, opt: dict, context: Context, address: str, key: PRNGKeyArray
) -> tuple[dict, dict, Sums]:
    """All updates of a fit, scanned. Carries only what the fit writes; the rest is closed over."""
    sampler = f"The sampler of fit {address}"
    tickets = fit.batches.plan(context.view(parts, sampler), named(key, "plan"), fit.times)
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
            raise WiringError(
                f"A fit writes {missing} which no earlier step made.{nearest(missing[0], parts)} Declare them in `parts=`."
            )
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
    """One update: take, differentiate, step the optimisers, run the rules after. Nothing after a fault but the taking."""
    batch, settled = fit.batches.take(context.view(parts, "A sampler"), ticket, named(key, "take"))
    parts = {**parts, **settled}
    view = context.view(parts, "A fit")
    loss_key = named(key, "loss")
    grads, losses, aux = gradients(fit, view, batch, loss_key)
    finite = jnp.isfinite(losses)
    healthy = finite.all() & trees.all_finite(grads) & (opt[FAULTS] < 0).all()

    written = dict.fromkeys((*fit.trains, *(name for rule in fit.after for name in rule.writes)))
    moving = {name: parts[name] for name in written if name in parts}
    held = {name: opt[name] for name in fit.trains}

    def learn(moving: dict, held: dict, grads: dict) -> tuple[dict, dict]:
        new, states = _step_optimizers(fit, {**parts, **moving}, held, grads, losses, aux, context, batch, loss_key)
        for index, rule in enumerate(fit.after):
            seen = context.view({**parts, **new}, f"Rule {rule.label!r}")
            made = checked_writes(rule, rule.change(seen, batch, aux, at(named(key, "after"), index)))
            known = {name: same_form(rule.label, name, moving[name], made[name]) for name in made if name in moving}
            new |= {**made, **known}
        return new, states

    scratch = [name for name in written if name not in moving]
    made = _blank(jax.eval_shape(learn, moving, held, grads)[0]) if scratch else {}

    def keep(moving: dict, held: dict, grads: dict) -> tuple[dict, dict]:
        return {name: moving[name] if name in moving else made[name] for name in written}, held

    # A branch and not a selection: where lanes are not batched, a healthy update pays nothing for the check.
    new, states = jax.lax.cond(healthy, learn, keep, moving, held, grads)
    faults = _record_faults(opt[FAULTS], finite, healthy, first, context.clock["updates"])
    labels = [objective.label for objective in fit.objectives]
    one = jnp.ones(())
    sums: Sums = {f"loss/{label}": (value, one) for label, value in zip(labels, losses, strict=True)}
    sums |= {name: (jnp.asarray(value, jnp.float32), one) for name, value in aux.items() if jnp.ndim(value) == 0}
    return {**parts, **new}, {**opt, **states, FAULTS: faults}, sums


def _step_optimizers(
    fit: Fit,
    parts: dict,
    held: dict,
    grads: dict,
    losses: Array,
    aux: Aux,
    context: Context,
    batch: Batch,
    key: PRNGKeyArray,
) -> tuple[dict, dict]:
    """The trained parts after one step of each one's optimiser, and the optimisers' states."""
    stage, view = context.algorithm.stages[context.stage], context.view(parts, "A fit")
    stepped, states = {}, {}
    for name in fit.trains:
        learn, rest = eqx.partition(parts[name], eqx.is_inexact_array)

        def value_fn(candidate: PyTree, name: str = name, rest: PyTree = rest) -> Array:
            return _total(fit, {**view, name: eqx.combine(candidate, rest)}, batch, key)[0]

        optimizer = optax.with_extra_args_support(context.algorithm.optimizer_of(name, stage))
        more = {"value": losses.sum(), "grad": grads[name], "value_fn": value_fn, "aux": aux}
        updates, states[name] = optimizer.update(grads[name], held[name], learn, **more)
        if context.algorithm.schedule is not None:
            factor = context.algorithm.schedule(context.clock)
            updates = jax.tree.map(lambda update, by=factor: (update * by).astype(update.dtype), updates)
        stepped[name] = eqx.combine(optax.apply_updates(learn, updates), rest)
    return stepped, states


def _record_faults(faults: Array, finite: Array, healthy: Array, first: int, update: Array) -> Array:
    """Note the update at which an objective first failed. A gradient that fails under a finite loss is noted for all."""
    blamed = jnp.where(finite.all(), jnp.ones_like(finite), ~finite)
    mine = jnp.zeros(faults.shape, bool).at[first : first + finite.shape[0]].set(blamed)
    fresh = (faults < 0).all() & ~healthy
    return jnp.where(fresh & mine, update.astype(jnp.int32), faults)


Found = tuple[PyTree, Array, Aux]
"""Gradients (of the sum, or with `combine` one for each objective), the weighted losses `(objectives,)`, and the rest."""


def gradients(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[dict[str, PyTree], Array, Aux]:
    """Gradients of the trained parts, the weighted losses `(objectives,)`, and everything said beside."""
    measure = _joint_gradients if fit.combine is None else _separate_gradients
    if fit.microbatches == 1:
        grads, losses, aux = measure(fit, view, batch, key)
    else:
        grads, losses, aux = _add_up(fit, batch, lambda piece, k: measure(fit, view, piece, k), key)
    return (grads if fit.combine is None else fit.combine(view, grads)), losses, aux


def _add_up(fit: Fit, batch: Batch, measure: Callable[[Batch, PRNGKeyArray], Found], key: PRNGKeyArray) -> Found:
    """Gradients and losses summed over microbatches, each with random numbers of its own; scalars said are averaged."""
    rows = jax.tree.leaves(batch)[0].shape[0]
    if rows % fit.microbatches:
        raise WiringError(f"A batch of {rows} rows cannot be cut into {fit.microbatches} equal microbatches.")
    cut = jax.tree.map(lambda x: x.reshape(fit.microbatches, -1, *x.shape[1:]), batch)

    def add(total: PyTree, given: tuple[Batch, Array]) -> tuple[PyTree, Aux]:
        piece, number = given
        *sums, aux = measure(piece, at(key, number))
        return jax.tree.map(jnp.add, total, tuple(sums)), aux

    shapes = jax.eval_shape(lambda b: measure(b, key), jax.tree.map(lambda x: x[0], cut))
    (grads, losses), aux = jax.lax.scan(add, _blank(shapes[:2]), (cut, jnp.arange(fit.microbatches)))
    return grads, losses, jax.tree.map(lambda x: x.mean(axis=0) if x.ndim == 1 else x.reshape(-1, *x.shape[2:]), aux)


def _joint_gradients(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> Found:
    """One backward pass for all objectives."""
    trained = {name: eqx.filter(view[name], eqx.is_inexact_array) for name in fit.trains}
    differentiate = jax.grad(lambda t: _trained_total(fit, view, t, batch, key), has_aux=True)
    grads, (losses, aux) = differentiate(trained)
    return grads, losses, aux


def _separate_gradients(fit: Fit, view: Parts, batch: Batch, key: PRNGKeyArray) -> Found:
    """One backward pass for each objective: a tuple of gradients, 0 for the parts that an objective does not train."""
    trained = {name: eqx.filter(view[name], eqx.is_inexact_array) for name in fit.trains}
    each, losses, said = [], [], {}
    for objective in fit.objectives:
        alone = replace(fit, objectives=(objective,), combine=None)
        mine = {name: trained[name] for name in objective.trains}
        grad, (loss, aux) = jax.grad(lambda t, a=alone: _trained_total(a, view, t, batch, key), has_aux=True)(mine)
        each.append({name: grad.get(name, jax.tree.map(jnp.zeros_like, trained[name])) for name in fit.trains})
        losses.append(loss[0])
        said |= aux
    return tuple(each), jnp.stack(losses), said


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
        stopped = {name: jax.lax.stop_gradient(view[name]) for name in siblings}
        seen = View({**view, **stopped}, f"Objective {objective.label!r}")
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
    if isinstance(step, Repeat):
        return _run_repeat(step, parts, opt, context, address, rounds)
    key, context = context.step_key(address, rounds), context.before(address, rounds)
    match step:
        case Collect():
            parts, sums = run_collect(step, parts, context, address, key)
            return parts, opt, sums
        case Rule():
            if step.host:
                raise WiringError(f"Rule {step.label!r} runs on the host, and cannot stand inside a compiled program.")
            return run_rule(step, parts, opt, context, key), opt, {}
        case Fit():
            return run_fit(step, parts, opt, context, address, key)


def _run_repeat(
    repeat: Repeat, parts: dict, opt: dict, context: Context, address: str, rounds: tuple[Array | int, ...]
) -> tuple[dict, dict, Sums]:
    """Rounds in a loop that carries whatever a round changes. Names first written inside are made by a round of shapes."""

    def body(number: Array, parts: dict, opt: dict) -> tuple[dict, dict, Sums]:
        return run_steps(repeat.steps, parts, opt, context, f"{address}.", (*rounds, number))

    shapes = jax.eval_shape(lambda p, o: body(jnp.zeros((), jnp.int32), p, o), parts, opt)
    new = {name for name in shapes[0] if name not in parts}
    parts = {**parts, **{name: _blank(shapes[0][name]) for name in new}}
    written = writes_of(repeat.steps) | new
    carried = {name: parts[name] for name in written if name in parts}
    sums = _blank(shapes[2])

    def one(number: Array, state: tuple[dict, dict, Sums]) -> tuple[dict, dict, Sums]:
        changing, changing_opt, sums = state
        after, after_opt, said = body(number, {**parts, **changing}, changing_opt)
        return {name: after[name] for name in carried}, after_opt, add_sums(sums, said)

    start = (carried, opt, sums)
    if repeat.until is None:  # a known number of rounds, which an outer derivative passes through
        carried, opt, sums = jax.lax.fori_loop(0, repeat.times, one, start)
        return {**parts, **carried}, opt, sums
    until = repeat.until

    def more(state: tuple[Array, tuple[dict, dict, Sums]]) -> Array:
        number, (changing, _, _) = state
        view = context.view({**parts, **changing}, f"The end of Repeat {address}")
        return (number < repeat.times) & ~until(view)

    number, (carried, opt, sums) = jax.lax.while_loop(
        more, lambda state: (state[0] + 1, one(*state)), (jnp.zeros((), jnp.int32), start)
    )
    sums = add_sums(sums, {f"repeat/{address}": (number.astype(jnp.float32), jnp.ones(()))})
    return {**parts, **carried}, opt, sums


def _blank(shapes: PyTree) -> PyTree:
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def writes_of(steps: tuple[Step, ...]) -> set[str]:
    """The names that these steps declare to write, worlds included."""
    names: set[str] = set()
    for _, step in walk(steps):
        names |= {name for name, _ in written_by(step)}
        if isinstance(step, Fit):
            names |= set(step.trains)
        if isinstance(step, Collect) and isinstance(step.world, str) and not step.fresh:
            names.add(step.world)
    return names


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


def planned_rows(context: Context) -> dict[str, list[Array]]:
    """By the name of a fixed dataset, the numbers of the rows that the fits of this cycle draw from it.

    They depend on keys and sizes alone. Raises `WiringError` where that is not so: fits inside a `Repeat`, samplers
    whose tickets are no row numbers.
    """
    found: dict[str, list[Array]] = {}
    for address, step in walk(context.algorithm.stages[context.stage].cycle):
        if not isinstance(step, Fit) or not set(getattr(step.batches, "reads", ())) & set(context.fixed):
            continue
        if "." in address:
            raise WiringError(
                f"Fit {address} stands in a Repeat, and cannot draw from a dataset on disk. {larger('rows')}"
            )
        check_draws(step.batches, context.fixed)
        key, before = context.step_key(address), context.before(address, ())
        tickets = step.batches.plan(before.view({}, f"The sampler of fit {address}"), named(key, "plan"), step.times)
        for name, numbers in drawn_rows(step.batches, tickets).items():
            found.setdefault(name, []).extend(numbers)
    return found


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
    policy = step.policy(context.view(parts, f"Collect (step {address})"))
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
