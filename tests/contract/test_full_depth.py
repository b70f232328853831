"""The contract at full depth: what a recipe keeps when it is saved, stopped, mapped, or run beside others.

All of it: `make contract`. The gate runs a sixteenth, drawn by the commit, and the recipes whose files changed lately.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import enrolled
from toys import cycles_before_last_stage, explains, leaves, made, session, small, source_for, told

from pilothouse.algorithm.recipe import RECIPES
from pilothouse.algorithm.registry import load_recipe
from pilothouse.algorithm.settings import Setting
from pilothouse.networks.actors import actor
from pilothouse.policies.policy import Mode, Policy
from pilothouse.rollout.collect import collect_fresh
from pilothouse.rollout.episodes import tasks_for
from pilothouse.train.checkpoint import ReplayFiles, load_checkpoint, save_checkpoint
from pilothouse.train.evaluation import in_source_units
from pilothouse.train.machine import Machine
from pilothouse.train.policy_files import load, save_policy
from pilothouse.train.session import Session, measured_in
from pilothouse.train.sources import DataSource, WorldSource

SIXTEENTH = 16


def learning_in_worlds() -> list[str]:
    """These learn in simulators too, where another part of the engine drives them; none of pictures or programs is at hand."""
    takes = {name: RECIPES[name].takes for name in made("Algorithm") if name in RECIPES}
    lived, simulated = ("world", "continued"), {"Box", "Discrete"}
    fits = {name: what for name, what in takes.items() if what and what.source in lived and simulated & {*what.action}}
    return [name for name, what in fits.items() if what.obs != ("image",)]


def test_every_kind_of_recipe_has_checks() -> None:
    kinds = {RECIPES[name].makes for name in made() if name in RECIPES}
    known = {"Algorithm", "Transform", "Estimator", "Explainer", "Watcher", "WorstCase", "Benchmark", "Study"}
    assert kinds <= known, "write its checks, here, in test_recipes.py or beside them"


# ---------------------------------------------------------------------------------------------------------- algorithms


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """`toys.session`, closed after the test."""
    sessions: list[Session] = []

    def open_one(name: str, **how: Any) -> Session:
        sessions.append(session(name, **how))
        return sessions[-1]

    yield open_one
    for one in sessions:
        one.close()


def assert_same(one: Any, other: Any) -> None:
    """Bit for bit."""
    one, other = leaves(one), leaves(other)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []


@pytest.mark.parametrize("name", enrolled(made("Algorithm"), one_in=SIXTEENTH))
def test_a_saved_policy_acts_as_the_one_that_was_learned(name: str, opened: Any, tmp_path: Path) -> None:
    learned, bound = opened(name), small(name)
    learned.machine.advance(cycles_before_last_stage(learned.machine) + 1)
    parts, (spec, scaling) = learned.policy_parts(0), (learned.source.spec, learned.source.scaling)
    save_policy(tmp_path / "policy", bound, spec, scaling, parts)
    place = measured_in(learned.source)
    assert isinstance(place, WorldSource)

    @eqx.filter_jit
    def acted(policy: Policy, key: Any) -> Any:
        return collect_fresh(policy, place.world, tasks_for(place.world, 4, key), 4, 8, key)[0].action

    loaded = load(tmp_path / "policy")
    held = in_source_units(bound.build(spec.unit()).acts(jax.tree.map(jnp.asarray, parts)), spec, scaling)
    assert_same(eqx.filter(loaded.policy, eqx.is_array), eqx.filter(held, eqx.is_array))
    for seed in range(3):
        np.testing.assert_array_equal(acted(loaded, jax.random.key(seed)), acted(held, jax.random.key(seed)))


@pytest.mark.parametrize(
    ("name", "simulated"),
    [
        *enrolled(made("Algorithm"), False, one_in=SIXTEENTH),
        *enrolled(learning_in_worlds(), True, one_in=SIXTEENTH),
    ],
)
def test_killed_and_resumed_from_a_checkpoint_the_numbers_are_the_same(
    name: str, simulated: bool, opened: Any, tmp_path: Path
) -> None:
    def fresh() -> Machine:
        machine = opened(name, simulated=simulated).machine
        machine.total_cycles = cycles_before_last_stage(machine) + 2
        return machine

    def assert_alike(cycles: int) -> None:
        assert_same(going.advance(cycles), whole.advance(cycles))  # the metrics
        assert_same(going.state, whole.state)

    whole, going, replay = fresh(), fresh(), ReplayFiles(tmp_path)
    for border in sorted({1, whole.total_cycles - 1}):
        assert_alike(border - whole.done)
        checkpoint = save_checkpoint(tmp_path, border, going, replay, {})
        going.advance(1)  # goes on, and is killed when no more of its next checkpoint is written than the replay's rows
        save_checkpoint(tmp_path / "lost", border + 1, going, replay, {})
        going, replay = fresh(), ReplayFiles(tmp_path)
        assert load_checkpoint(checkpoint, going, replay)["replayed"]
    assert_alike(1)


def another(setting: Setting, value: float) -> float:
    """Another value that the setting may have."""
    values = (value / 2, value + 0.5, 0.5, 1.0)
    return next(v for v in values if v != value and (setting.range is None or setting.range.holds(v)))


def assert_close(one: Any, other: Any, start: Any) -> None:
    """Alike within a thousandth of how far each array went since the start; whole numbers alike."""
    one, other, start = leaves(one), leaves(other), leaves(start)
    for name, array in one.items():
        if not np.issubdtype(array.dtype, np.floating):
            np.testing.assert_array_equal(array, other[name], err_msg=name)
            continue
        apart, way = np.linalg.norm(array - other[name]), np.linalg.norm(other[name] - start[name])
        assert apart <= 1e-3 * way + 1e-6 * np.linalg.norm(start[name]), f"{name}: {apart:.1e} apart after {way:.1e}"


@pytest.mark.parametrize("name", enrolled(made("Algorithm"), one_in=SIXTEENTH))
def test_seeds_and_settings_side_by_side_are_what_they_are_alone_and_one_program(name: str, opened: Any) -> None:
    bound = small(name)
    changed = {key: another(bound.recipe.settings[key], value) for key, value in bound.floats.items()}
    lanes: list[tuple[int, Mapping[str, float]]] = [(0, bound.floats), (1, changed)]
    floats = {key: [mine[key] for _, mine in lanes] for key in changed}
    both: Machine = opened(name, seeds=[0, 1], floats=floats).machine
    both.advance(cycles_before_last_stage(both) + 1)
    both.advance(1)
    assert set(both.traces.values()) == {1}
    for lane, (seed, mine) in enumerate(lanes):
        alone: Machine = opened(name, seeds=[seed], floats=mine).machine
        start = jax.tree.map(np.array, alone.state)
        alone.advance(both.done)
        own = jax.tree.map(lambda x, lane=lane: x[lane][None], both.state)
        assert_close(own, alone.state, start)


# ----------------------------------------------------------------------------------- transforms, estimators, explainers


@pytest.mark.parametrize("name", enrolled(made("Transform"), one_in=SIXTEENTH))
def test_a_transform_is_pure_and_may_be_mapped_over_keys_and_settings(name: str) -> None:
    recipe, source = load_recipe(name), source_for(load_recipe(name))
    assert isinstance(source, WorldSource)
    inner = Mode(actor(source.spec.unit(), 8)(jax.random.key(7)))

    def acted(floats: Mapping[str, Any], key: Any) -> Any:
        policy = recipe().build(source.spec, floats)(in_source_units(inner, source.spec, source.scaling))
        return collect_fresh(policy, source.world, (), 2, 3, key)[0].action

    keys = jax.random.split(jax.random.key(0), 2)
    floats = {key: [value, another(recipe.settings[key], value)] for key, value in recipe().floats.items()}
    lanes = jax.jit(jax.vmap(acted))({key: jnp.array(pair) for key, pair in floats.items()}, keys)
    for lane, key in enumerate(keys):
        own = {name: pair[lane] for name, pair in floats.items()}
        alone = jax.jit(acted)(own, key)
        np.testing.assert_allclose(lanes[lane], alone, rtol=1e-4, atol=1e-6)
        with jax.disable_jit():
            np.testing.assert_allclose(acted(own, key), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", enrolled(made("Estimator"), one_in=SIXTEENTH))
def test_an_estimator_reads_data_without_touching_them_or_any_global_generator(name: str) -> None:
    source = source_for(load_recipe(name))
    assert isinstance(source, DataSource)
    said, rows = [], jax.tree.map(np.array, source.dataset.rows())
    for seed in range(2):
        np.random.seed(seed)
        state = str(np.random.get_state())
        said.append(told(name, source))
        assert state == str(np.random.get_state())
    assert said[0] == said[1]
    assert_same(source.dataset.rows(), rows)


@pytest.mark.parametrize("name", enrolled(made("Explainer"), one_in=SIXTEENTH))
def test_an_explainer_touches_neither_what_it_is_given_nor_any_global_generator(name: str) -> None:
    said = []
    for seed in range(2):
        say, observations = explains(name)
        before = observations.copy()
        np.random.seed(seed)
        state = str(np.random.get_state())
        said.append(say())
        assert state == str(np.random.get_state())
        np.testing.assert_array_equal(observations, before)
    assert said[0] == said[1]
