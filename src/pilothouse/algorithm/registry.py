"""Finding recipes by name, without importing the others: `recipes/<wing>/<key with underscores>.py` holds recipe `key`."""

import importlib
from functools import cache
from pathlib import Path

from pilothouse.algorithm.recipe import RECIPES, Recipe
from pilothouse.core.errors import unknown


@cache
def places() -> dict[str, str]:
    """The module of every built recipe by its key. Reads file names only."""
    root = Path(__file__).parent.parent / "recipes"
    found = sorted(path for path in root.glob("*/*.py") if not path.name.startswith("_"))
    return {path.stem.replace("_", "-"): f"pilothouse.recipes.{path.parent.name}.{path.stem}" for path in found}


def wing_of(name: str) -> str:
    """The wing (folder) that a built recipe stands in."""
    return places()[name].split(".")[-2]


def load_recipe(name: str) -> Recipe:
    """The recipe of this key; imports its module only. Raises `UnknownNameError` with the nearest name."""
    if name in RECIPES:
        return RECIPES[name]
    if name not in places():
        raise unknown("recipe", name, places())
    importlib.import_module(places()[name])
    return RECIPES[name]
