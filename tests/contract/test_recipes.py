"""One suite over every recipe; being in `recipes/` is what enrols it."""

from typing import Any

import jax
import numpy as np
import pytest

from pilothouse.algorithm.interpreter import FAULTS, trained_parts, writes_of
from pilothouse.algorithm.recipe import Recipe
from pilothouse.algorithm.registry import load_recipe, places
from pilothouse.core.errors import PilothouseError, SettingError, SpaceError, UnknownNameError
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.train.session import Session, open_session
from pilothouse.train.sources import DataSource, Source, WorldSource
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
    pytest.skip(f"no toy source of kind {takes.source!r} yet")


def session(name: str) -> Session:
    recipe = load_recipe(name)
    settings = {key: value for key, value in SMALL.items() if key in recipe.settings}
    return open_session(recipe(**settings), source_for(recipe), seeds=[0], episodes=0)


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one if not all(jax.tree.leaves(jax.tree.map(np.array_equal, one[key], other[key])))}


@pytest.mark.parametrize("name", sorted(places()))
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


@pytest.mark.parametrize("name", sorted(places()))
def test_bad_settings_are_refused_with_what_to_do(name: str) -> None:
    recipe = load_recipe(name)
    with pytest.raises(UnknownNameError, match="Did you mean 'lr'"):
        recipe(lrr=1.0)
    bad: list[tuple[Any, str]] = [(-1.0, "out of range"), (float("nan"), "out of range"), ("fast", "wrong type")]
    for value, words in bad:
        with pytest.raises(SettingError, match=words):
            recipe(lr=value)


@pytest.mark.parametrize("name", sorted(places()))
def test_other_actions_and_other_sources_are_refused(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.takes is not None
    wrong = WorldSource("arithmetic", world("arithmetic"), 2) if recipe.takes.source != "text" else data("pendulum")
    with pytest.raises(SpaceError, match=f"Recipe '{name}'"):
        open_session(recipe(), wrong, seeds=[0], episodes=0)
    if "Box" not in recipe.takes.action or "Discrete" not in recipe.takes.action:
        spec = world("cartpole" if "Box" in recipe.takes.action else "pendulum").spec
        with pytest.raises(PilothouseError, match="actions"):
            recipe().build(spec)
