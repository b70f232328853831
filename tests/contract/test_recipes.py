"""One suite over every recipe; being in `recipes/` is what enrols it. Each kind of recipe has checks of its own."""

import importlib
import inspect
from typing import Any

import jax
import numpy as np
import pytest

from pilothouse.algorithm.interpreter import FAULTS, trained_parts, writes_of
from pilothouse.algorithm.recipe import RECIPES, Recipe
from pilothouse.algorithm.registry import load_recipe, places
from pilothouse.core import trees
from pilothouse.core.errors import PilothouseError, SettingError, SpaceError, UnknownNameError
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.preferences import preference_pairs
from pilothouse.policies.policy import Policy, Random
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.session import Session, open_session
from pilothouse.train.sources import DataSource, PairSource, Source, WorldSource
from pilothouse.worlds.arithmetic import encode
from pilothouse.worlds.registry import world

SMALL = {
    "width": 8, "depth": 1, "layers": 1, "batch": 8, "warmup": 4, "capacity": 64, "length": 8, "epochs": 1,
    "minibatches": 1, "block": 1, "prompts": 2, "tries": 2, "pretraining": 1,
}  # fmt: skip


def data(name: str) -> DataSource:
    """Sixteen made-up transitions with the spaces of a world."""
    spec, draw = world(name).spec, np.random.default_rng(0)
    action = draw.uniform(-2, 2, (16, 1)).astype(np.float32) if name == "pendulum" else draw.integers(0, 2, 16)
    rows = {
        "obs": draw.normal(size=(16, *spec.obs.shape)).astype(np.float32) / 10,  # type: ignore
        "action": action,
        "reward": draw.normal(size=16).astype(np.float32),
        "terminated": np.arange(16) % 4 == 3,
        "truncated": np.zeros(16, bool),
    }
    rows["next_obs"] = np.roll(rows["obs"], -1, axis=0)
    return DataSource(dataset_from_transitions(rows, spec, name="made"))


def pairs() -> PairSource:
    """Four pairs of sums, right and wrong, of different lengths."""
    text = [("1+2=", "3", "4"), ("2+2=", "4", "40"), ("7+5=", "12", "1"), ("9=", "9", "8")]
    tokens = [tuple(encode(part).tolist() + [2] * (i > 0) for i, part in enumerate(row)) for row in text]
    found = preference_pairs(tokens, name="sums")
    rows = jax.tree.map(jax.numpy.asarray, found.rows())
    return PairSource("sums", rows, world("arithmetic", digits=1).spec, found.fingerprint)


def source_for(recipe: Recipe) -> Source:
    takes = recipe.takes
    assert takes is not None
    if takes.source == "data":
        return data("pendulum" if "Box" in takes.action else "cartpole")
    if takes.source == "text":
        return WorldSource("arithmetic", world("arithmetic", digits=1), 4)
    if takes.source == "world":
        name = "pendulum" if "Box" in takes.action else "cartpole"
        return WorldSource(name, world(name), 2)
    if takes.source == "pairs":
        return pairs()
    raise AssertionError(f"no toy source of kind {takes.source!r} yet")


def imported(name: str) -> Any:
    """The module of a recipe."""
    return importlib.import_module(places()[name])


def made(kind: str | None = None) -> list[str]:
    """The keys of all recipes that make this kind of thing; a study, which is a claim alone, makes nothing.

    A module that cannot be imported counts as making an algorithm: its own tests then say why, and no others fail.
    """
    found = []
    for name in sorted(places()):
        try:
            imported(name)
        except Exception:
            found += [name] if kind in (None, "Algorithm") else []
        else:
            found += [name] if name in RECIPES and kind in (None, RECIPES[name].makes) else []
    return found


def session(name: str) -> Session:
    recipe = load_recipe(name)
    settings = {key: value for key, value in SMALL.items() if key in recipe.settings}
    return open_session(recipe(**settings), source_for(recipe), seeds=[0], episodes=0)


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one if not all(jax.tree.leaves(jax.tree.map(np.array_equal, one[key], other[key])))}


@pytest.mark.parametrize("name", made("Algorithm"))
def test_updates_are_finite_reach_the_named_parts_only_and_are_traced_once(name: str) -> None:
    machine = session(name).machine
    stages = machine.structure.stages
    warm = sum(stage.cycles or 0 for stage in stages[:-1])
    first = {key: jax.tree.map(np.asarray, part) for key, part in machine.state.parts.items()}
    for _ in range(2):  # through every stage, and twice through the last
        before = {key: jax.tree.map(np.asarray, part) for key, part in machine.state.parts.items()}
        machine.advance(warm + 1 if machine.done == 0 else 1)
    after = machine.state.parts
    assert differing(before, after) <= writes_of(stages[-1].cycle)
    assert set(trained_parts(stages[-1])) <= differing(first, after)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after) if np.issubdtype(leaf.dtype, np.floating))
    assert (np.asarray(machine.state.opt[FAULTS]) == -1).all()
    assert all(count == 1 for count in machine.traces.values())


@pytest.mark.parametrize("name", made())
def test_bad_settings_are_refused_with_what_to_do(name: str) -> None:
    recipe = load_recipe(name)
    ranged = [key for key, setting in recipe.settings.items() if setting.range and not setting.range.holds(-1)]
    assert ranged, "a recipe has a setting that cannot be -1: a size, a rate, a share"
    key = "lr" if "lr" in ranged else ranged[0]
    with pytest.raises(UnknownNameError, match=f"Did you mean '{key}'"):
        recipe(**{key + key[-1]: 1})
    whole = recipe.settings[key].type is int
    bad: list[tuple[Any, str]] = [(-1, "out of range"), ("fast", "wrong type")]
    bad.append((float("nan"), "wrong type" if whole else "out of range"))
    for value, words in bad:
        with pytest.raises(SettingError, match=words):
            recipe(**{key: value})


@pytest.mark.parametrize("name", made())
def test_other_actions_and_other_sources_are_refused(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.takes is not None
    if recipe.makes == "Algorithm":
        wrong = WorldSource("arithmetic", world("arithmetic"), 2) if recipe.takes.source != "text" else data("pendulum")
        with pytest.raises(SpaceError, match=f"Recipe '{name}'"):
            open_session(recipe(), wrong, seeds=[0], episodes=0)
    if "Box" not in recipe.takes.action or "Discrete" not in recipe.takes.action:
        spec = world("cartpole" if "Box" in recipe.takes.action else "pendulum").spec
        with pytest.raises(PilothouseError, match="actions"):
            recipe().build(spec)


@pytest.mark.parametrize("name", made("Transform"))
def test_a_transform_makes_a_policy_of_any_policy_and_its_numbers_cost_no_trace(name: str) -> None:
    source, recipe = source_for(load_recipe(name)), load_recipe(name)
    assert isinstance(source, WorldSource)
    inner, traces = Random(source.spec.action), []

    @jax.jit
    def acted(floats: dict[str, Any], key: Any) -> Any:
        traces.append(1)
        policy = recipe().build(source.spec, floats)(inner)
        assert isinstance(policy, Policy)
        rows, _ = collect_fresh(policy, source.world, (), 2, 3, key)
        return rows.action, trees.all_finite(rows)

    floats, key = recipe().floats, jax.random.key(0)
    first, finite = acted(floats, key)
    again, _ = acted({setting: value / 2 for setting, value in floats.items()}, key)
    assert bool(finite) and len(traces) == 1
    assert first.shape == again.shape == (3, 2, *source.spec.action.zeros().shape)  # type: ignore
    np.testing.assert_array_equal(first, acted(floats, key)[0])


@pytest.mark.parametrize("name", made("Estimator"))
def test_an_estimator_says_finite_numbers_by_name_the_same_each_time(name: str) -> None:
    recipe, source = load_recipe(name), source_for(load_recipe(name))
    assert isinstance(source, DataSource)
    known: dict[str, Any] = {"reference": source.dataset, "lowest": -1.0, "highest": 1.0}
    estimator = recipe().build(source.spec)
    wants = [key for key in inspect.signature(estimator).parameters if key in known]
    said = estimator(source.dataset, **{key: known[key] for key in wants})
    assert said and all(np.isfinite(value) for value in said.values())
    assert said == estimator(source.dataset, **{key: known[key] for key in wants})


@pytest.mark.parametrize("name", sorted(places()))
def test_a_claim_is_of_its_own_recipe_and_a_study_has_one(name: str) -> None:
    claim = getattr(imported(name), "CLAIM", None)
    assert (claim is not None) or name in made()
    assert claim is None or claim.recipe == name
