"""Every recipe, small, on a toy source: what both depths of the contract suite run. Registering is what enrols."""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.recipe import RECIPES, Bound, Recipe
from pilothouse.algorithm.registry import load_recipe, places
from pilothouse.core import trees
from pilothouse.core.spaces import Discrete
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.preferences import preference_pairs
from pilothouse.explain.explainer import Explainer
from pilothouse.networks.actors import actor
from pilothouse.policies.policy import Mode
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.machine import Machine
from pilothouse.train.session import Session, open_session
from pilothouse.train.sources import ContinuedSource, DataSource, PairSource, SimulatorSource, Source, WorldSource
from pilothouse.worlds.arithmetic import Arithmetic, encode
from pilothouse.worlds.registry import world
from pilothouse.worlds.world import World

SMALL = {
    "width": 8, "depth": 1, "layers": 1, "batch": 8, "warmup": 4, "capacity": 64, "length": 8, "epochs": 1,
    "minibatches": 1, "block": 1, "exemplars": 4, "prompts": 2, "tries": 4, "pretraining": 20, "folds": 2,
    "offline": 4, "labelled": 8, "members": 2, "updates": 2, "rollouts": 4, "samples": 4, "grid": 3, "population": 4, "lives": 2, "questions": 8, "horizon": 20,
    "channels": 3, "features": 4, "pad": 1, "trees": 4, "blocks": 1,
}  # fmt: skip
SIMULATORS = {"pendulum": "Pendulum-v1", "cartpole": "CartPole-v1"}
HOMES = {"srd": "robot-fish", "hprl": "karel-programs"}
"""Worlds of recipes that were designed for one: elsewhere their gradients may be rounding, and nothing else."""
PICTURES = {"side": 8, "frames": 1}


def small_world(name: str) -> World:
    """A world by name; those seen as pictures show small ones."""
    return world(name, **(PICTURES if name.endswith("-pictures") else {}))


def data(name: str) -> DataSource:
    """Sixteen made-up transitions with the spaces of a world."""
    spec, draw = small_world(name).spec, np.random.default_rng(0)
    action = draw.uniform(-2, 2, (16, 1)).astype(np.float32) if "pendulum" in name else draw.integers(0, 2, 16)
    rows = {
        "obs": _made_up(spec.obs, draw),
        "action": action,
        "reward": draw.normal(size=16).astype(np.float32),
        "terminated": np.arange(16) % 4 == 3,
        "truncated": np.zeros(16, bool),
    }
    rows["next_obs"] = np.roll(rows["obs"], -1, axis=0)
    return DataSource(dataset_from_transitions(rows, spec, name="made"), WorldSource(name, small_world(name), 2))


def _made_up(space: Any, draw: np.random.Generator) -> np.ndarray:
    if isinstance(space, Discrete):
        return draw.integers(0, space.n, 16).astype(np.int32)
    if space.is_image:
        return draw.integers(0, 256, (16, *space.shape)).astype(np.uint8)
    return draw.normal(size=(16, *space.shape)).astype(np.float32) / 10


def text() -> WorldSource:
    """Sums whose right answer is to end at once: the smallest model is right now and then, and has a reward to learn from."""
    sums = Arithmetic(digits=1)
    tasks = jax.tree.map(lambda *x: jnp.stack(x), *[sums.task(prompt, "3") for prompt in ("1+2=", "3+0=", "8-5=")])
    return WorldSource("arithmetic", sums, 4, prompts=tasks.replace(answer=jnp.zeros_like(tasks.answer)))


def pairs() -> PairSource:
    """Four pairs of sums, right and wrong, of different lengths."""
    written = [("1+2=", "3", "4"), ("2+2=", "4", "40"), ("7+5=", "12", "1"), ("9=", "9", "8")]
    tokens = [tuple(encode(part).tolist() + [2] * (i > 0) for i, part in enumerate(row)) for row in written]
    found = preference_pairs(tokens, name="sums")
    rows = jax.tree.map(jax.numpy.asarray, found.rows())
    return PairSource("sums", rows, world("arithmetic", digits=1).spec, found.fingerprint, text())


def source_for(recipe: Recipe, *, simulated: bool = False) -> Source:
    """A toy source of the kind that the recipe takes; `simulated`, a Gymnasium environment in place of a world."""
    takes = recipe.takes
    assert takes is not None
    name = "pendulum" if "Box" in takes.action else "cartpole"
    if takes.obs == ("image",):
        name += "-pictures"
    if takes.source == "data":
        found = data("tabular" if takes.obs == ("Discrete",) else name)
        hidden = dict.fromkeys(takes.lacking, np.arange(16) % 3 == 2)
        return DataSource(found.dataset.hiding(**hidden), found.evaluation)
    if takes.source == "continued":
        place = SimulatorSource(SIMULATORS[name], 2) if simulated else WorldSource(name, world(name), 2)
        return ContinuedSource(data(name).dataset, place)
    if takes.source == "text":
        return text()
    if takes.source == "world":
        name = "tabular" if takes.obs == ("Discrete",) else name
        if simulated:
            return SimulatorSource(SIMULATORS[name], 2)
        name = HOMES.get(recipe.name, name)
        return WorldSource(name, small_world(name), 2)
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


def small(name: str) -> Bound:
    """The recipe with small sizes, and every float at its default."""
    recipe = load_recipe(name)
    return recipe(**{key: value for key, value in SMALL.items() if key in recipe.settings})


def session(
    name: str,
    *,
    seeds: Sequence[int] = (0,),
    floats: Mapping[str, float | Sequence[float]] | None = None,
    simulated: bool = False,
) -> Session:
    """A small recipe on its toy source, made and not yet learning. `floats` are settings of all lanes, or of each."""
    source = source_for(load_recipe(name), simulated=simulated)
    return open_session(small(name), source, seeds=seeds, floats=floats, episodes=0)


def cycles_before_last_stage(machine: Machine) -> int:
    return sum(stage.cycles or 0 for stage in machine.structure.stages[:-1])


def leaves(tree: Any) -> dict[str, np.ndarray]:
    """Every array of a tree by its path, copied: the machine gives its own away as it goes on."""
    return {name: np.array(leaf) for name, leaf in trees.named_leaves(tree).items()}


def told(name: str, source: DataSource) -> Mapping[str, float | int]:
    """What an estimator says of the data; what else it wants to know is given by the names of its arguments."""
    known = {"reference": source.dataset, "lowest": -1.0, "highest": 1.0, "key": jax.random.key(0)}
    estimator = small(name).build(source.spec)
    wants = [key for key in inspect.signature(estimator).parameters if key in known]
    return estimator(source.dataset, **{key: known[key] for key in wants})


def explains(name: str) -> tuple[Callable[[], str], np.ndarray]:
    """What an explainer says, as a document, of a policy that was never trained; and the observations it is given."""
    source = source_for(load_recipe(name))
    assert isinstance(source, WorldSource)
    policy = Mode(actor(source.spec.unit(), 8)(jax.random.key(7)))
    rows, _ = collect_fresh(policy, source.world, (), 8, 8, jax.random.key(0))
    observations = np.array(rows.obs).reshape(64, -1)
    explain = small(name).build(source.spec)
    assert isinstance(explain, Explainer)
    return lambda: json.dumps(explain(policy, observations, seed=0).as_json(), allow_nan=False), observations
