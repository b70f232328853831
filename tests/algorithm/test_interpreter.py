"""Laws of the one interpreter, on parts of one or two numbers: what slow and obvious NumPy loops say, it says too."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pilothouse.algorithm import interpreter
from pilothouse.algorithm.interpreter import FAULTS, Source, gradients
from pilothouse.algorithm.recipe import Recipe
from pilothouse.algorithm.rules import copy, follow
from pilothouse.algorithm.scoped import scoped
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, Stage, Step, copy_of
from pilothouse.core.batch import Batch
from pilothouse.core.errors import NonFiniteError, PilothouseError, UnknownNameError, WiringError
from pilothouse.core.keys import at, named
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Uniform, Whole
from pilothouse.data.stores import ring
from pilothouse.policies.policy import Memoryless, uniform_over
from pilothouse.train.checkpoint import ReplayFiles, load_checkpoint, save_checkpoint
from pilothouse.train.machine import Lanes, Machine
from pilothouse.train.metrics import read_metrics
from pilothouse.train.run import train
from pilothouse.train.session import open_session
from pilothouse.train.simulators import Simulators
from pilothouse.train.sources import Scaling
from pilothouse.worlds.registry import world
from pilothouse.worlds.world import Outcome

ROWS = Batch(x=jnp.arange(1.0, 9.0), weight=jnp.full(8, 0.125))
DATA = Whole("data")


def number(value: float) -> Callable[[Any], jax.Array]:
    return lambda key: jnp.asarray(value, jnp.float32)


def bowl(part: str, target: float = 0.0) -> Objective:
    """(part - target)^2, so one step of rate r goes to part - 2 r (part - target)."""
    return Objective(lambda parts, batch, key: (((parts[part] - target) ** 2).sum(), {}), (part,), name=f"bowl {part}")


def rule(name: str, change: Callable[..., Any], *, host: bool = False) -> Rule:
    """A rule that writes one part: `change(parts, key)`."""
    return Rule(lambda parts, batch, aux, key: {name: change(parts, key)}, (name,), host=host, name=f"change {name}")


def count(name: str = "count", by: float = 1.0) -> Rule:
    return rule(name, lambda parts, key: parts[name] + by)


def wired(*cycle: Step, parts: Mapping[str, Any], optimizer: Any = None, stages: Any = None) -> Algorithm:
    """An algorithm whose parts are given as numbers, or as functions of a key."""
    made = {name: make if callable(make) or isinstance(make, copy_of) else number(make) for name, make in parts.items()}
    given = optax.sgd(0.1) if optimizer is None else optimizer
    return Algorithm(made, tuple(stages or (Stage(cycle),)), lambda parts: parts, given)  # type: ignore


def machine(algorithm: Any, seeds: Any = (0,), floats: Any = None, **more: Any) -> Machine:
    build: Any = algorithm if callable(algorithm) else lambda floats: algorithm
    return Machine(build, Lanes.of(tuple(seeds), floats), fixed={"data": ROWS}, **more)


def after(algorithm: Any, cycles: int, seeds: Any = (0,), **more: Any) -> SimpleNamespace:
    """Run it: the parts as NumPy by lane (of one lane: without the axis), the metrics, and the machine itself."""
    run = machine(algorithm, seeds, cycles=cycles, **more)
    sums = run.advance(cycles)
    assert all(traced == 1 for traced in run.traces.values())
    parts = {
        n: jax.tree.map(lambda x: np.asarray(x if len(seeds) > 1 else x[0]), p) for n, p in run.state.parts.items()
    }
    return SimpleNamespace(**parts, parts=parts, sums=sums, run=run)


# ---------------------------------------------------------------------------------------------- the order of a cycle


def test_steps_run_in_order() -> None:
    double = rule("w", lambda parts, key: 2 * parts["w"])
    found = after(wired(double, count("w"), Fit((bowl("w"),), DATA), double, parts={"w": 1.0}), 3).w
    w = 1.0
    for _ in range(3):
        w = ((2 * w + 1) * 0.8) * 2
    np.testing.assert_allclose(found, w, rtol=1e-6)


def test_rules_after_a_fit_see_the_updated_parts_and_the_update_that_was() -> None:
    def look(parts: Any, batch: Any, aux: Any, key: Any) -> Any:
        return {"seen": parts["slow"], "loss": aux["loss"], "rows": batch.x.sum()}

    objective = Objective(lambda parts, batch, key: (parts["w"] ** 2, {"loss": parts["w"] ** 2}), ("w",))
    rules = (follow("w", "slow", 0.5), Rule(look, ("seen", "loss", "rows")))
    start = {"w": 1.0, "slow": copy_of("w"), "seen": 0.0, "loss": 0.0, "rows": 0.0}
    found = after(wired(Fit((objective,), DATA, times=3, after=rules), parts=start), 2)
    w, slow, loss = 1.0, 1.0, 0.0
    for _ in range(6):
        loss = w**2  # from before the update
        w *= 0.8
        slow += 0.5 * (w - slow)  # from after it
    np.testing.assert_allclose([found.w, found.slow, found.seen, found.loss], [w, slow, slow, loss], rtol=1e-6)
    assert found.rows == 36


def test_a_later_fit_sees_what_an_earlier_one_learned_and_objectives_of_one_fit_do_not() -> None:
    chase = Objective(lambda parts, batch, key: ((parts["b"] - parts["a"]) ** 2, {}), ("b",), name="chase")
    together = after(wired(Fit((bowl("a"), chase), DATA), parts={"a": 1.0, "b": 0.0}), 1)
    in_turn = after(wired(Fit((bowl("a"),), DATA), Fit((chase,), DATA), parts={"a": 1.0, "b": 0.0}), 1)
    np.testing.assert_allclose([together.b, in_turn.b], [0.2 * 1.0, 0.2 * 0.8], rtol=1e-6)


def test_the_clock_counts_every_update_of_a_cycle_once() -> None:
    note = rule("seen", lambda parts, key: jnp.roll(parts["seen"], 1).at[0].set(parts["clock"]["updates"]))
    fit = Fit((bowl("w"),), DATA, times=2, after=(note,))
    cycle = (fit, note, Repeat((fit, note), 2), fit)
    found = after(wired(*cycle, parts={"w": 1.0, "seen": lambda key: jnp.zeros(22)}), 2)
    one = [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]  # each update, and after each fit but the last what the next will be
    np.testing.assert_array_equal(found.seen[::-1], one + [8 + number for number in one])
    assert found.run.updates == 16


# ------------------------------------------------------------------------------------------- losses that are not finite


def fragile(*, host: bool = False) -> Algorithm:
    """Lanes whose `breaks` is reached fail in the second objective of the second fit."""

    def second(parts: Any, batch: Any, key: Any) -> Any:
        noise = jax.random.normal(named(key, "noise"), (2,))
        broken = parts["clock"]["updates"] >= parts["breaks"]
        return jnp.where(broken, jnp.nan, 1.0) * ((parts["b"] - noise) ** 2).sum(), {
            "poison": jnp.where(broken, jnp.nan, 0)
        }

    def spread(parts: Any, batch: Any, aux: Any, key: Any) -> Any:
        return {"hurt": parts["hurt"] + aux["poison"]}

    rules = (follow("b", "slow", 0.5), Rule(spread, ("hurt",)))
    fits = (Fit((bowl("a"),), DATA), Fit((bowl("a"), Objective(second, ("b",))), DATA, times=2, after=rules))
    still = rule("count", lambda parts, key: parts["count"] + 1, host=host)
    start = {"a": lambda key: jax.random.normal(key, (2,)), "b": lambda key: jax.random.normal(key, (2,))}
    more = {"slow": copy_of("b"), "hurt": 0.0, "count": 0.0, "breaks": lambda key: jnp.asarray(10**6)}
    return wired(*fits, still, parts={**start, **more}, optimizer=optax.adam(0.1))


def broken_at(*updates: int) -> dict[str, Any]:
    return {"breaks": jnp.array(updates, jnp.int32)}


@pytest.mark.parametrize("host", [False, True])
def test_a_lane_that_fails_stands_still_and_the_others_do_not_notice(host: bool) -> None:
    algorithm = fragile(host=host)
    whole = machine(algorithm, (7, 8, 9), adopt=broken_at(10**6, 7, 10**6))
    start = np.asarray(whole.state.parts["a"][1])
    whole.advance(2)  # six updates, then the fault at number 7
    before = jax.tree.map(np.asarray, whole.state)
    whole.advance(1)
    caught = jax.tree.map(np.asarray, whole.state)
    whole.advance(3)
    state = jax.tree.map(np.asarray, whole.state)
    assert state.opt[FAULTS].tolist() == [[-1, -1, -1], [-1, -1, 7], [-1, -1, -1]]

    def lane(tree: Any, index: int) -> Any:
        return jax.tree.leaves(jax.tree.map(lambda x: x[index], tree))

    jax.tree.map(np.testing.assert_array_equal, lane(state, 1), lane(caught, 1))  # not a bit moves once it has failed
    np.testing.assert_array_equal(state.parts["b"][1], before.parts["b"][1])  # b's last update was number 5
    expected = [adam(w, 7, 0.1, FRESH)[0] for w in start]  # a's was number 6, of the healthy fit before
    np.testing.assert_allclose(state.parts["a"][1], expected, atol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert state.parts["count"].tolist() == [6, 2, 6]

    alone = machine(algorithm, (7, 9), adopt=broken_at(10**6, 10**6))
    alone.advance(6)
    for mine, theirs in zip(jax.tree.leaves(alone.state.parts), jax.tree.leaves(whole.state.parts), strict=True):
        np.testing.assert_array_equal(mine, theirs[np.array([0, 2])])


def test_a_gradient_that_fails_under_a_finite_loss_is_blamed_on_all_of_its_fit() -> None:
    root = Objective(lambda parts, batch, key: (jnp.sqrt(parts["w"] * 0.0), {}), ("w",), name="root")
    found = after(wired(Fit((bowl("v"),), DATA), Fit((root, bowl("u")), DATA), parts=dict.fromkeys("uvw", 1.0)), 2)
    np.testing.assert_array_equal(found.run.faults(), [[-1, 1, 1]])
    np.testing.assert_allclose([found.u, found.v, found.w], [1.0, 0.8, 1.0], rtol=1e-6)


PENDULUM = world("pendulum").spec


class Data:
    """A source of fixed rows."""

    name, spec, scaling = "rows", PENDULUM, Scaling()
    kind: Literal["data"] = "data"

    def fixed(self) -> dict[str, Any]:
        return {"data": ROWS}

    def worlds(self, lane_seeds: tuple[int, ...]) -> dict[str, Any]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {}


def test_faults_are_told_by_objective_seed_and_step() -> None:
    session = open_session(fragile(), Data(), seeds=[7, 8], episodes=0, adopt=broken_at(10**6, 4))
    session.machine.advance(2)
    assert session.fault_lines() == ["seed 8: the loss of 'second' was not finite at update 4"]
    assert session.diverged().tolist() == [False, True]


def test_a_run_of_one_seed_stops_with_exit_3(tmp_path: Path) -> None:
    def breaks(parts: Any, batch: Any, key: Any) -> Any:
        return jnp.where(parts["clock"]["updates"] < 30, 1.0, jnp.nan) * parts["actor"] ** 2, {}

    def build(spec: Spec) -> Algorithm:
        parts = {"actor": number(1.0)}
        cycle = (Fit((Objective(breaks, ("actor",), name="brittle"),), DATA),)
        return Algorithm.of(parts=parts, cycle=cycle, acts=uniform_over(spec.action), optimizer=optax.sgd(0.1))

    bound = Recipe("brittle", build, None, {}, "Algorithm")()
    with pytest.raises(NonFiniteError, match="seed 5: the loss of 'brittle' was not finite at update 30") as caught:
        train(bound, Data(), steps=1000, seed=5, out=tmp_path / "run", episodes=0)
    assert caught.value.exit_code == 3
    steps = [line["step"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert steps == [20, 40]  # fifty looks were planned; it stops at the first that sees the fault


# -------------------------------------------------------------------------------------------------------- microbatches


def weighted(part: str) -> Objective:
    """A sum with weights that sum to one; says the rows it saw."""

    def loss(parts: Any, batch: Batch, key: Any) -> Any:
        error = (parts[part] * batch.x - 1.0) ** 2
        return (batch.weight * error).sum(), {"rows": batch.x}

    return Objective(loss, (part,), name=part)


def halve(parts: Any, each: tuple[Any, ...]) -> Any:
    return jax.tree.map(lambda *x: sum(x) / 2, *each)


@pytest.mark.parametrize("combine", [None, halve])
@pytest.mark.parametrize("pieces", [2, 8])
def test_microbatches_add_up_to_the_whole_batch(pieces: int, combine: Any) -> None:
    fit = Fit((weighted("u"), weighted("v")), DATA, combine=combine)
    parts = {"u": jnp.float32(0.3), "v": jnp.float32(-0.7)}
    grads, losses, aux = gradients(replace(fit, microbatches=pieces), parts, ROWS, jax.random.key(0))
    x, scale = np.arange(1.0, 9.0), 0.5 if combine else 1.0
    for index, name in enumerate("uv"):
        w = float(parts[name])
        np.testing.assert_allclose(grads[name], scale * np.mean(2 * (w * x - 1) * x), rtol=1e-5)
        np.testing.assert_allclose(losses[index], np.mean((w * x - 1) ** 2), rtol=1e-5)
    np.testing.assert_array_equal(aux["rows"], x)  # what is said of each row keeps its order


def test_each_microbatch_draws_numbers_of_its_own_and_unequal_ones_are_refused() -> None:
    def loss(parts: Any, batch: Batch, key: Any) -> Any:
        return parts["w"] * 0.0, {"noise": jax.random.normal(named(key, "noise"), batch.x.shape)}

    fit = Fit((Objective(loss, ("w",)),), DATA, microbatches=4)
    noise = gradients(fit, {"w": jnp.float32(1)}, ROWS, jax.random.key(0))[2]["noise"]
    assert len(np.unique(noise)) == 8
    with pytest.raises(WiringError, match="8 rows cannot be cut into 3 equal microbatches"):
        gradients(replace(fit, microbatches=3), {"w": jnp.float32(1)}, ROWS, jax.random.key(0))


# -------------------------------------------------------------------------------------------------- several objectives


def test_gradients_reach_exactly_the_parts_that_an_objective_names() -> None:
    # Losses a b c and 5 a b c: each is the product, so a's gradient is b c times what trains a, and so on.
    product = lambda parts, batch, key: (parts["a"] * parts["b"] * parts["c"], {})  # noqa: E731
    parts = {"a": jnp.float32(2), "b": jnp.float32(3), "c": jnp.float32(7)}
    one, five = Objective(product, ("a",)), Objective(product, ("b",), weight=5.0)
    both = Objective(product, ("a", "b"), weight=lambda parts: parts["c"])  # reads a multiplier: 7 here
    cases = [
        ((one, five), {"a": 21, "b": 5 * 14}),
        ((one, both), {"a": 21 + 7 * 21, "b": 7 * 14}),  # what two train is moved by both
        ((five,), {"b": 5 * 14}),
    ]
    for objectives, expected in cases:
        found, losses, _ = gradients(Fit(objectives, DATA), parts, ROWS, jax.random.key(0))
        assert {name: float(grad) for name, grad in found.items()} == expected
        assert losses.shape == (len(objectives),)


def test_gradients_stop_at_what_siblings_train_and_nowhere_else() -> None:
    def through(name: str) -> Callable[..., Any]:
        """An objective's loss in which one virtual step of `a` depends on another part: a meta-gradient."""
        return lambda parts, batch, key: (jax.grad(lambda a: (a * parts[name]) ** 2)(parts["a"]) + parts["b"], {})

    # As if by a fit that trains b alone, an outer derivative still passes through `free`; it stops at `a` if a sibling
    # trains that: d/da of 2 a f^2 is 2 f^2, and d/df is 4 a f.
    parts = {"a": jnp.float32(2), "b": jnp.float32(1), "free": jnp.float32(3)}

    def outer(siblings: tuple[Objective, ...], name: str) -> float:
        fit = Fit((Objective(through("free"), ("b",)), *siblings), DATA)
        value = lambda x: gradients(fit, {**parts, name: x}, ROWS, jax.random.key(0))[1][0]  # noqa: E731
        return float(jax.grad(value)(parts[name]))

    assert outer((), "free") == outer((bowl("a"),), "free") == 4 * 2 * 3
    assert outer((), "a") == 2 * 9
    assert outer((bowl("a"),), "a") == 0


def test_two_objectives_without_names_are_told_apart_by_what_they_train() -> None:
    def of(part: str, value: float) -> Objective:
        def loss(parts: Any, batch: Any, key: Any) -> Any:
            return parts[part] * value, {}

        return Objective(loss, (part,))

    sums = after(wired(Fit((of("a", 2.0), of("b", 3.0)), DATA), parts={"a": 1.0, "b": 1.0}), 1).sums
    assert {name: pair[0].tolist() for name, pair in sums.items()} == {"loss/a": [2, 1], "loss/b": [3, 1]}


# ------------------------------------------------------------------------------------------------------ misspelt names


REPLAY = {"actor": 1.0, "critic": 2.0, "replay": ring(PENDULUM, 8)}
ACT = uniform_over(Box((1,)))
WORLDS = {"world": Source(world("pendulum"), 1)}


def learning(*objectives: Objective, **more: Any) -> Algorithm:
    return wired(Fit(objectives or (bowl("actor"),), DATA), parts=REPLAY, **more)


def reads(name: str) -> Callable[..., Any]:
    return lambda parts, batch, key: (parts["actor"] * parts[name].sum(), {})


MISSPELT = {
    "what an objective trains": (learning(bowl("crtic")), "crtic", "critic"),
    "what an objective reads": (learning(Objective(reads("crtic"), ("actor",), name="q")), "crtic", "critic"),
    "what a weight reads": (
        learning(Objective(reads("critic"), ("actor",), weight=lambda parts: parts["actr"])), "actr", "actor"
    ),
    "what a rule reads": (wired(copy("actr", "critic"), parts=REPLAY), "actr", "actor"),
    "what a rule writes": (wired(copy("actor", "critc"), parts=REPLAY), "critc", "critic"),
    "what a rule after reads": (wired(Fit((bowl("actor"),), DATA, after=(follow("actor", "criti", 0.1),)), parts=REPLAY),
                                "criti", "critic"),
    "what a host rule reads": (
        wired(rule("actor", lambda parts, key: parts["crtic"], host=True), parts=REPLAY), "crtic", "critic"
    ),
    "an optimiser": (learning(optimizer={"actr": optax.sgd(0.1)}), "actr", "actor"),
    "an optimiser that is missing": (
        learning(bowl("actor"), bowl("critic"), optimizer={"actor": optax.sgd(0.1)}), "critic", ""
    ),
    "a stage's optimiser": (
        wired(parts=REPLAY, stages=[Stage((Fit((bowl("actor"),), DATA),), None, {"acto": optax.sgd(0.1)})]), "acto", "actor"
    ),
    "a store that is collected into": (wired(Collect("repaly", 1, ACT), parts=REPLAY), "repaly", "replay"),
    "a store that is drawn from": (
        wired(Collect("replay", 1, ACT), Fit((bowl("actor"),), Uniform("relay", 2)), parts=REPLAY), "relay", "replay"
    ),
    "a dataset": (wired(Fit((bowl("actor"),), Whole("dta")), parts=REPLAY), "dta", "data"),
    "a world": (wired(Collect("replay", 1, ACT, world="wrld"), parts=REPLAY), "wrld", "world"),
    "a copy": (wired(parts={**REPLAY, "slow": copy_of("crtic")}), "crtic", "critic"),
    "an end": (wired(Repeat((count("actor"),), 2, lambda parts: parts["actr"] > 1), parts=REPLAY), "actr", "actor"),
}  # fmt: skip


@pytest.mark.parametrize("where", MISSPELT)
def test_a_misspelt_name_is_refused_in_one_line_with_the_nearest(where: str) -> None:
    algorithm, given, meant = MISSPELT[where]
    with pytest.raises((WiringError, UnknownNameError)) as caught:
        machine(algorithm, worlds=WORLDS).advance(1)
    line = str(caught.value)
    assert isinstance(caught.value, PilothouseError) and "\n" not in line
    assert repr(given) in line and (not meant or f"Did you mean {meant!r}?" in line), line


def test_names_in_later_stages_are_looked_at_before_the_first() -> None:
    stages = [Stage((count("actor"),), 1000), Stage((Fit((bowl("crtic"),), DATA),))]
    with pytest.raises(WiringError, match="Objective 'bowl crtic' trains 'crtic'.*Did you mean 'critic'"):
        machine(wired(parts=REPLAY, stages=stages))


def test_what_is_read_only_cannot_be_written_and_scratch_may_have_any_other_name() -> None:
    with pytest.raises(WiringError, match="'data', which is read-only"):
        machine(wired(copy("actor", "data"), parts=REPLAY))
    with pytest.raises(WiringError, match="Part 'clock' has the name of something read-only"):
        machine(wired(parts={"clock": 1.0}))
    scratch = (rule("half", lambda parts, key: parts["w"] / 2), rule("w", lambda parts, key: parts["half"]))
    assert after(wired(*scratch, parts={"w": 8.0}), 3).w == 1


@pytest.mark.parametrize("host", [False, True])
def test_a_rule_cannot_change_the_shape_of_a_part_or_write_what_it_does_not_declare(host: bool) -> None:
    with pytest.raises(WiringError, match=r"Rule 'change w' returned w of shape \(2,\); it was \(\)"):
        machine(wired(rule("w", lambda parts, key: jnp.ones(2), host=host), parts={"w": 1.0})).advance(1)
    sly = Rule(lambda parts, batch, aux, key: {"v": parts["v"]}, ("w",), host=host, name="sly")
    with pytest.raises(WiringError, match="Rule 'sly' returned .'v'., but declares writes=.'w'."):
        machine(wired(sly, parts={"v": 1.0, "w": 1.0})).advance(1)


# -------------------------------------------------------------------------------------------------------------- repeat


def doubling(*, host: bool) -> tuple[Step, ...]:
    """Count to three in an inner loop, in an outer loop that ends when `total` reaches `goal`."""
    inner = Repeat((count("inner"),), 3)
    step = rule("total", lambda parts, key: parts["total"] + parts["inner"], host=host)
    return (rule("total", lambda parts, key: 0.0 * parts["total"]),
            Repeat((inner, step, count("rounds")), 4, lambda parts: parts["total"] >= parts["goal"]))  # fmt: skip


@pytest.mark.parametrize("host", [False, True])
@pytest.mark.parametrize("goal", [0.0, 5.0, 9.0, 10.0, 1e9])
def test_repeat_counts_as_a_loop_does(goal: float, host: bool) -> None:
    found = after(wired(*doubling(host=host), parts={"inner": 0.0, "total": 0.0, "rounds": 0.0, "goal": goal}), 2)
    inner = rounds = total = 0
    for _ in range(2):
        total = 0
        for _ in range(4):
            if total >= goal:  # tested before each round, the first too
                break
            inner += 3
            total += inner
            rounds += 1
    assert (found.inner, found.total, found.rounds) == (inner, total, rounds)
    assert found.sums["repeat/1"].tolist() == [[rounds, 2]]


@pytest.mark.parametrize("host", [False, True])
def test_lanes_that_are_at_the_end_of_a_repeat_stand_still_while_others_go_on(host: bool) -> None:
    start = {"inner": 0.0, "total": 0.0, "rounds": 0.0, "goal": 0.0}
    goals = [0.0, 5.0, 1e9]
    adopt = {"goal": jnp.array(goals)}
    found = after(wired(*doubling(host=host), parts=start), 2, (0, 1, 2), adopt=adopt)
    for lane, goal in enumerate(goals):
        alone = after(wired(*doubling(host=host), parts={**start, "goal": goal}), 2)
        assert all(found.parts[name][lane] == alone.parts[name] for name in start)
        np.testing.assert_array_equal(found.sums["repeat/1"][lane], alone.sums["repeat/1"][0])


def test_a_fit_may_repeat_and_scratch_may_be_born_in_a_round() -> None:
    shrink = Repeat((Fit((bowl("w"),), DATA, after=(rule("twice", lambda parts, key: 2 * parts["w"]),)),), 3)
    found = after(wired(shrink, copy("twice", "kept"), parts={"w": 1.0, "kept": 0.0}), 2)
    np.testing.assert_allclose([found.w, found.kept], [0.8**6, 2 * 0.8**6], rtol=1e-6)
    assert found.run.updates == 6 and found.sums["loss/bowl w"][0, 1] == 6
    none = after(wired(Repeat((count(),), 0), parts={"count": 0.0}), 2)
    assert none.count == 0


class Idle(Memoryless):
    """Does nothing."""

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.zeros(1), carry, {}


class Clockwork:
    """A host world whose copies end after 2, 3, 4, … steps, each step worth 1; obs is the number of steps made."""

    spec = Spec(Box((1,)), Box((1,)))

    def __init__(self, size: int):
        self.size, self.steps = size, np.zeros(size, np.float32)

    def reset(self, indices: Any, seeds: Any, task: Any = ()) -> Any:
        self.steps[list(indices)] = 0
        return np.zeros((len(indices), 1), np.float32)

    def step(self, actions: Any) -> Batch:
        self.steps += 1
        ended, reward = self.steps == 2 + np.arange(self.size), np.ones(self.size, np.float32)
        return Batch(next_obs=self.steps[:, None].copy(), reward=reward, terminated=ended, truncated=~ended & False)

    def close(self) -> None:
        pass


def test_fresh_episodes_in_simulators_stop_at_their_end_each_and_in_each_round() -> None:
    def change(parts: Any, batch: Any, aux: Any, key: Any) -> Any:
        rows = parts["rollout"]
        return {"valid": rows.valid, "ended": rows.terminated, "total": parts["total"] + rows.reward.sum()}

    look = (Collect("rollout", 3, lambda parts: Idle(), fresh=True), Rule(change, ("valid", "ended", "total")))
    cycle = Repeat(look, 3, lambda parts: parts["total"] >= parts["goal"])
    blank = lambda key: jnp.zeros((3, 2), bool)  # noqa: E731
    algorithm = wired(cycle, parts={"valid": blank, "ended": blank, "total": 0.0, "goal": 0.0})
    simulators = Simulators(Clockwork(4), (0, 1), 2)
    adopt = {"goal": jnp.array([7.0, 8.0])}
    found = after(algorithm, 1, (0, 1), worlds={"world": simulators}, adopt=adopt)
    # Lane 0 has the copies that end after 2 and 3 steps, 5 rows a round; lane 1 those after 4 and 5, cut at 3: 6 rows.
    assert found.total.tolist() == [10, 12] and found.sums["repeat/0"][:, 0].tolist() == [2, 2]
    assert found.valid[0].T.tolist() == [[True, True, False], [True] * 3] and found.valid[1].all()
    assert found.ended[0].T.tolist() == [[False, True, False], [False, False, True]] and not found.ended[1].any()
    assert found.sums["episode/return"].tolist() == [[10, 4], [12, 4]] == found.sums["episode/length"].tolist()


# ---------------------------------------------------------------------------------------------------- optimisers' state


def adam(w: float, steps: int, rate: float, state: tuple[float, float, int]) -> tuple[float, tuple[float, float, int]]:
    """Adam by hand on w^2."""
    first, second, number = state
    for _ in range(steps):
        slope = 2 * w
        number += 1
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        w -= rate * (first / (1 - 0.9**number)) / (np.sqrt(second / (1 - 0.999**number)) + 1e-8)
    return w, (first, second, number)


FRESH = (0.0, 0.0, 0)
LEARN = (Fit((bowl("w"),), DATA),)
HOST = (*LEARN, rule("w", lambda parts, key: parts["w"], host=True))


@pytest.mark.parametrize("cycle", [LEARN, HOST], ids=["traced", "host"])
def test_optimiser_state_goes_on_unless_the_stage_brings_its_own(cycle: tuple[Step, ...]) -> None:
    stages = [
        Stage(cycle, 3),
        Stage(cycle, 2),
        Stage(cycle, 2, optax.adam(0.05)),
        Stage(cycle, 2, optax.sgd(0.1)),
        Stage(cycle),
    ]
    algorithm = wired(parts={"w": 1.0}, stages=stages, optimizer=optax.adam(0.02))
    w, state = adam(1.0, 5, 0.02, FRESH)  # the second stage goes on with the first's
    w, _ = adam(w, 2, 0.05, FRESH)  # the third brings its own
    w *= 0.8**2  # the fourth too
    w, _ = adam(w, 4, 0.02, FRESH)  # what the third and fourth left is of no use to the fifth
    np.testing.assert_allclose(after(algorithm, 13).w, w, rtol=1e-5)
    pieces = machine(algorithm, cycles=13)
    for size in (1, 3, 3, 2, 4):  # however often it stops
        pieces.advance(size)
    np.testing.assert_array_equal(pieces.state.parts["w"], after(algorithm, 13).run.state.parts["w"])


@pytest.mark.parametrize("cycle", [LEARN, HOST], ids=["traced", "host"])
@pytest.mark.parametrize("at_cycle", [2, 4])
def test_a_checkpoint_in_a_stage_with_its_own_optimiser_goes_on(cycle: Any, at_cycle: int, tmp_path: Path) -> None:
    stages = [Stage(cycle, 2), Stage(cycle, 3, optax.sgd(0.1)), Stage(cycle)]
    algorithm = wired(parts={"w": 1.0}, stages=stages, optimizer=optax.adam(0.02))
    whole = machine(algorithm, (0, 1), cycles=6)
    whole.advance(at_cycle)
    replay = ReplayFiles(tmp_path / "replay")
    path = save_checkpoint(tmp_path, at_cycle, whole, replay, {})
    whole.advance(6 - at_cycle)
    resumed = machine(algorithm, (0, 1), cycles=6)
    load_checkpoint(path, resumed, replay)
    resumed.advance(6 - at_cycle)
    jax.tree.map(np.testing.assert_array_equal, resumed.state, whole.state)


# ---------------------------------------------------------------------------------------------------------------- keys


def draw(name: str, *, host: bool = False) -> Rule:
    """Note a random number at the front of a part, and push the others back."""
    return rule(name, lambda parts, key: jnp.roll(parts[name], 1).at[0].set(jax.random.uniform(key)), host=host)


def notes(size: int) -> Callable[[Any], jax.Array]:
    return lambda key: jnp.zeros(size)


@pytest.mark.parametrize("host", [False, True])
def test_same_seed_same_numbers_and_every_position_round_and_cycle_draws_its_own(host: bool) -> None:
    cycle = (draw("a", host=host), draw("a"), Repeat((draw("a", host=host), Repeat((draw("a", host=host),), 2)), 2))
    algorithm = wired(*cycle, parts={"a": notes(24)})
    first, again, other = (after(algorithm, 3, seeds).a for seeds in ((3,), (3,), (4,)))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique([*first, *other])) == 48  # 8 draws a cycle, 3 cycles, 2 seeds: none of them alike
    np.testing.assert_array_equal(after(algorithm, 3, (3, 4)).a, [first, other])
    traced = wired(*(draw("a"), draw("a"), Repeat((draw("a"), Repeat((draw("a"),), 2)), 2)), parts={"a": notes(24)})
    np.testing.assert_array_equal(first, after(traced, 3, (3,)).a)  # the host draws as the program does


def test_the_key_of_a_step_is_the_seed_folded_by_cycle_place_and_round() -> None:
    import zlib

    found = after(wired(count("b"), Repeat((draw("a"),), 2), parts={"a": notes(4), "b": 0.0}), 2, (5,)).a
    place = zlib.crc32(b"0/1.0")  # stage 0, first step inside step 1
    keys = [at(jax.random.fold_in(at(jax.random.key(5), c), place), r) for c in range(2) for r in range(2)]
    np.testing.assert_array_equal(found[::-1], [jax.random.uniform(key) for key in keys])


def test_stages_and_updates_draw_their_own_and_objectives_share_a_draw_by_its_name() -> None:
    def noisy(part: str, name: str) -> Objective:
        def loss(parts: Any, batch: Any, key: Any) -> Any:
            return parts[part] * jax.random.uniform(named(key, name)), {}

        return Objective(loss, (part,), name=part)

    fit = Fit((noisy("a", "one"), noisy("b", "one"), noisy("c", "another")), DATA, times=2)
    keep = rule("seen", lambda parts, key: jnp.roll(parts["seen"], 3).at[:3].set([parts[n] for n in "abc"]))
    fit = replace(fit, after=(keep,))
    start = {**dict.fromkeys("abc", 0.0), "seen": notes(24)}
    stages = [Stage((fit, fit), 1), Stage((fit, fit))]
    found = after(wired(parts=start, stages=stages, optimizer=optax.sgd(1.0)), 2).seen.reshape(8, 3)[::-1]
    drawn = -np.diff(found, axis=0, prepend=0)  # what each update moved a, b and c by
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
    assert len(np.unique(np.round(drawn[:, [0, 2]], 5))) == 16


def test_parts_are_made_from_the_seed_and_their_own_name() -> None:
    normal = lambda key: jax.random.normal(key, (2,))  # noqa: E731
    more = after(wired(parts={"new": normal, "a": normal, "b": normal, "c": copy_of("a")}), 0, (3,)).parts
    fewer = after(wired(parts={"a": normal}), 0, (3,)).parts
    np.testing.assert_array_equal(more["a"], fewer["a"])  # whatever else there is
    np.testing.assert_array_equal(more["a"], more["c"])
    assert len(np.unique([more[name] for name in ("new", "a", "b")])) == 6


# --------------------------------------------------------------------------------------------------- settings and seeds


@pytest.mark.parametrize("host", [False, True])
def test_settings_times_seeds_is_one_program_and_each_lane_has_its_own_settings(host: bool) -> None:
    def build(floats: Mapping[str, Any]) -> Algorithm:
        fit = Fit((bowl("w", target=floats["target"]),), DATA, times=2)
        push = rule("w", lambda parts, key: parts["w"] + floats["push"], host=host)
        return wired(fit, push, parts={"w": lambda key: jax.random.normal(key)}, optimizer=optax.sgd(floats["lr"]))

    seeds = (0, 1, 0, 1)
    floats = {"lr": [0.1, 0.1, 0.3, 0.3], "target": [1.0, 2.0, 3.0, 4.0], "push": [0.5, 0.25, -0.5, 0.0]}
    run = machine(build, seeds, floats, cycles=7)
    expected = np.asarray(run.state.parts["w"]).astype(np.float64)
    assert expected[0] == expected[2] != expected[1] == expected[3]  # the same seed begins alike
    for size in (1, 4, 2):
        run.advance(size)
    lr, target, push = (np.array(floats[name]) for name in ("lr", "target", "push"))
    for _ in range(7):
        for _ in range(2):
            expected -= lr * 2 * (expected - target)
        expected += push
    np.testing.assert_allclose(run.state.parts["w"], expected, rtol=1e-5)
    assert run.traces and all(traced == 1 for traced in run.traces.values())


# ------------------------------------------------------------------------------------------------ an algorithm in another


def nested(rounds: Step) -> Callable[..., Any]:
    """Where the inner learner's `w` is after two cycles that begin at `start`, with its bowl's bottom at `bottom`."""
    inner = wired(rounds, parts={"w": 0.0, "bottom": 0.0}, optimizer=optax.sgd(0.1, momentum=0.9))

    def end(start: Any, bottom: Any, key: Any) -> Any:
        state = interpreter.init(inner, key, adopt={"w": start, "bottom": bottom})
        clock = interpreter.start_clock()
        for turn in range(2):
            now = {**clock, "cycle": jnp.asarray(turn)}
            state, _ = interpreter.cycle(inner, state, {"data": ROWS}, now, key, {})
        return state.parts["w"]

    return end


def momentum(start: float, bottom: float, steps: int) -> float:
    w, speed = start, 0.0
    for _ in range(steps):
        speed = 0.9 * speed + 2 * (w - bottom)
        w -= 0.1 * speed
    return w


TOWARDS = Objective(lambda parts, batch, key: ((parts["w"] - parts["bottom"]) ** 2, {}), ("w",), name="towards")


def test_a_cycle_inside_a_rule_is_a_learner_inside_a_learner() -> None:
    end = nested(Fit((TOWARDS,), DATA, times=3))
    whole_life = rule("w", lambda parts, key: end(parts["w"], parts["bottom"], key))
    found = after(wired(whole_life, Fit((bowl("bottom"),), DATA), parts={"w": 1.0, "bottom": 5.0}), 2, (0, 1))
    w, bottom = 1.0, 5.0
    for _ in range(2):
        w, bottom = momentum(w, bottom, 6), 0.8 * bottom
    np.testing.assert_allclose(found.w, [w, w], rtol=1e-5)
    np.testing.assert_allclose(found.bottom, [bottom, bottom], rtol=1e-6)


@pytest.mark.parametrize(
    "step", [Fit((TOWARDS,), DATA, times=3), Repeat((Fit((TOWARDS,), DATA),), 3)], ids=["fit", "repeat"]
)
def test_an_outer_derivative_passes_through_an_inner_learner_and_its_optimiser(step: Step) -> None:
    found = jax.grad(nested(step), argnums=(0, 1))(jnp.float32(1), jnp.float32(5), jax.random.key(0))
    small = 1e-6
    by_start = (momentum(1 + small, 5, 6) - momentum(1 - small, 5, 6)) / (2 * small)
    by_bottom = (momentum(1, 5 + small, 6) - momentum(1, 5 - small, 6)) / (2 * small)
    np.testing.assert_allclose(found, [by_start, by_bottom], rtol=1e-4)


@jax.tree_util.register_static
class Still:
    """A world in which nothing ever happens."""

    spec, horizon = PENDULUM, None

    def reset(self, task: Any, key: Any) -> Any:
        return (), jnp.zeros(3)

    def step(self, state: Any, action: Any, key: Any) -> Any:
        return state, Outcome(jnp.zeros(3), jnp.ones(()), jnp.array(False), jnp.array(False))


def whole() -> Algorithm:
    """An algorithm with a use of every place where a name can stand."""
    objective = Objective(weighted("w").loss, ("w",), weight=lambda parts: parts["dual"], name="error")
    other = Objective(lambda parts, batch, key: (parts["w"] * parts["v"], {}), ("w", "v"), name="cross")
    fit = Fit((objective, other), DATA, times=2, after=(follow("w", "slow", 0.5),), combine=halve)
    into = Collect("replay", 2, lambda parts: Idle())
    fill = rule("size", lambda parts, key: parts["replay"].added.astype(jnp.float32))
    until = Repeat((count("dual", 0.25),), 9, lambda parts: parts["dual"] >= 1.5)
    drawn = Fit(
        (Objective(lambda parts, batch, key: (parts["v"] * batch.reward.mean() * 0.0, {}), ("v",)),),
        Uniform("replay", 2),
    )
    scratch = (rule("half", lambda parts, key: parts["slow"] / 2), copy("half", "kept"))
    parts = {
        "w": 0.5,
        "slow": copy_of("w"),
        "v": 1.0,
        "dual": 1.0,
        "replay": ring(PENDULUM, 8),
        "size": 0.0,
        "kept": 0.0,
    }
    return wired(
        into, fill, until, fit, drawn, *scratch, parts=parts, optimizer={"w": optax.sgd(0.01), "v": optax.sgd(0.02)}
    )


def test_scoped_algorithms_learn_side_by_side_what_each_learns_alone() -> None:
    names = ("w", "slow", "v", "dual", "size", "kept")
    mine, foe = whole(), scoped("foe/", whole())
    joined = Algorithm(
        {**mine.parts, **foe.parts},
        (Stage((*mine.stages[0].cycle, *foe.stages[0].cycle)),),
        mine.acts,
        {**mine.optimizer, **foe.optimizer},  # type: ignore
    )
    alone, only, both = (after(a, 3, worlds={"world": Source(Still(), 1)}) for a in (mine, foe, joined))
    assert set(only.parts) == {f"foe/{name}" for name in mine.parts} | {"world"}
    assert alone.run.counts_at(3) == only.run.counts_at(3) == (9, 6)
    for name in names:
        np.testing.assert_array_equal(only.parts[f"foe/{name}"], alone.parts[name])
        np.testing.assert_allclose(both.parts[f"foe/{name}"], alone.parts[name], rtol=1e-6)
        np.testing.assert_allclose(both.parts[name], alone.parts[name], rtol=1e-6)
    assert alone.size == 6 and alone.w != 0.5
    assert {"loss/error", "loss/foe/error"} <= set(both.sums)


def test_inside_a_scope_others_are_seen_under_their_whole_names_and_misspelt_ones_are_refused() -> None:
    chase = lambda name: Objective(lambda parts, batch, key: ((parts["w"] - parts[name]) ** 2, {}), ("w",))  # noqa: E731
    foe = scoped("foe/", wired(Fit((chase("goal"),), DATA), parts={"w": 0.0}))
    joined = replace(foe, parts={**foe.parts, "goal": number(1.0), "w": number(7.0)})
    found = after(joined, 1)
    np.testing.assert_allclose([found.parts["foe/w"], found.w], [0.2, 7.0], rtol=1e-6)
    lost = scoped("foe/", wired(Fit((chase("goul"),), DATA), parts={"w": 0.0}))
    with pytest.raises(UnknownNameError, match="reads part 'goul', which is not there. Did you mean 'goal'"):
        machine(replace(lost, parts={**lost.parts, "goal": number(1.0)})).advance(1)
