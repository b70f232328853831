"""What there is: every paper with its status and verdict, one recipe in full, a recipe by its key."""

import ast
import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pilothouse.catalogue import records
from pilothouse.catalogue.shelf import Shelf, listed, shelf
from pilothouse.core.errors import UnknownNameError, WiringError, unknown

if TYPE_CHECKING:
    from pilothouse.algorithm.recipe import Recipe
    from pilothouse.evaluate.claim import Claim

READING = "reading"
"""The wing of papers that hold no method."""

Row = dict[str, Any]


def papers(wing: str | None = None, *, on: Shelf | None = None) -> list[Row]:
    """Every paper, then every baseline that is no paper of the catalogue (its `id` is None).

    A row holds `key, id, title, wing, fit, status, verdict, underpowered, basis, record`. `status` is planned, built or
    reading; the last four come from the record and are None where nothing is measured; `record` is its path.
    Reads files only. Raises `UnknownNameError` for a wing that does not exist.
    """
    place = on or shelf()
    modules = place.modules()
    rows = [_paper_row(paper, modules, place) for paper in listed()]
    rows += [_baseline_row(key, path, place) for key, path in modules.items() if key not in _keys()]
    if wing is None:
        return rows
    if wing not in (wings := {row["wing"] for row in rows}):
        raise unknown("wing", wing, wings)
    return [row for row in rows if row["wing"] == wing]


def show(name: str, *, on: Shelf | None = None) -> Row:
    """The row of one paper or baseline with `doc`, `settings`, `parts`, `claim` and `record` in full.

    `doc` is the docstring of the recipe's module; `settings` maps a name to its default, type, range and choices;
    `parts` maps the name of each part to how it is made, what trains it and what writes it. None for what a planned
    paper, a study, or a recipe without a claim does not have. Raises `UnknownNameError`.
    """
    place = on or shelf()
    rows = {row["key"]: row for row in papers(on=place)}
    if name not in rows:
        raise unknown("paper or recipe", name, rows)
    row = {**rows[name], "doc": None, "settings": None, "parts": None, "claim": None, "record": None}
    if name not in place.modules():
        return row
    module = load_module(name, on=place)
    made, claim = registered(name), getattr(module, "CLAIM", None)
    row["doc"] = (module.__doc__ or "").strip()
    if made is not None:
        from pilothouse.catalogue.toy import parts_of

        row |= {"settings": _settings_of(made), "parts": parts_of(made)}
    row["claim"] = claim.to_json() if claim is not None else None
    if (path := place.record(name)).exists():
        row["record"] = records.read(path)
    return row


def all_built(*, on: Shelf | None = None) -> list[str]:
    """The key of every recipe built: papers in the order of the catalogue, then baselines by name."""
    return list((on or shelf()).modules())


def load_module(name: str, *, on: Shelf | None = None) -> ModuleType:
    """Imports the module of one recipe, and no other. Raises `UnknownNameError` for one unknown or only planned."""
    place = on or shelf()
    modules = place.modules()
    if name in modules:
        return importlib.import_module(place.module_name(modules[name]))
    paper = next((paper for paper in listed() if paper["key"] == name), None)
    if paper is None:
        raise unknown("recipe", name, modules)
    if paper["wing"] == READING:
        raise UnknownNameError(f"{name!r} ({paper['title']}) is listed for reading and holds no method to run.")
    raise UnknownNameError(
        f"Recipe {name!r} ({paper['title']}) is planned and not built yet. `pilothouse papers` shows what is built."
    )


def load_recipe(name: str, *, on: Shelf | None = None) -> "Recipe":
    """The recipe of this key. Raises `UnknownNameError`; `WiringError` for a study, which is a claim alone."""
    load_module(name, on=on)
    if (made := registered(name)) is None:
        raise WiringError(
            f"{name!r} is a study: a claim without a method to train. Run it: pilothouse reproduce {name}"
        )
    return made


def load_claim(name: str, *, on: Shelf | None = None) -> "Claim":
    """The claim of this recipe. Raises `UnknownNameError`; `WiringError` for a baseline that makes none."""
    claim = getattr(load_module(name, on=on), "CLAIM", None)
    if claim is None:
        raise WiringError(
            f"Recipe {name!r} makes no claim of its own, so there is nothing to reproduce; it is a baseline of others."
        )
    if claim.recipe != name:
        raise WiringError(f"The claim in the file of {name!r} says that it is of {claim.recipe!r}.")
    return claim


def registered(name: str) -> "Recipe | None":
    """The recipe of this key among those imported so far; None for a study, which registers none."""
    from pilothouse.algorithm.recipe import RECIPES

    return RECIPES.get(name)


def _keys() -> set[str]:
    return {paper["key"] for paper in listed()}


def _paper_row(paper: Row, modules: dict[str, Path], place: Shelf) -> Row:
    status = "built" if paper["key"] in modules else "reading" if paper["wing"] == READING else "planned"
    head = {name: paper[name] for name in ("key", "id", "title", "wing", "fit")}
    return {**head, "status": status, **_measured(paper["key"], place)}


def _baseline_row(key: str, path: Path, place: Shelf) -> Row:
    """A recipe that is no paper of the catalogue. Its title is the first line of its docstring; nothing is imported."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or key
    head = {
        "key": key,
        "id": None,
        "title": doc.splitlines()[0].rstrip("."),
        "wing": path.parent.name.replace("_", "-"),
    }
    return {**head, "fit": "core", "status": "built", **_measured(key, place)}


def _measured(key: str, place: Shelf) -> Row:
    path = place.record(key)
    if not path.exists():
        return {"verdict": None, "underpowered": None, "basis": None, "record": None}
    record = records.read(path)
    return {**{name: record[name] for name in ("verdict", "underpowered", "basis")}, "record": str(path)}


def _settings_of(made: "Recipe") -> Row:
    return {
        name: {
            "default": setting.default,
            "type": setting.type.__name__,
            "range": str(setting.range) if setting.range is not None else None,
            "choices": list(setting.choices),
        }
        for name, setting in made.settings.items()
    }
