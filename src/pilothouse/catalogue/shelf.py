"""Where the catalogue's things lie: the list of papers, the recipes' files, the records."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]


@functools.cache
def listed() -> tuple[dict[str, Any], ...]:
    """Every paper of the catalogue, by id: `key, id, title, wing, kind, fit`."""
    return tuple(json.loads((PACKAGE / "catalogue" / "papers.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Shelf:
    """A package of recipes and the folder of their records.

    A recipe's file is `<recipes>/<wing>/<key>.py`, with underscores for the hyphens of wing and key. Files and folders
    that begin with an underscore hold no recipe.
    """

    recipes: Path
    package: str
    records: Path

    def modules(self) -> dict[str, Path]:
        """The file of every recipe built, by key: papers in the order of the catalogue, then baselines by name."""
        keys = {paper["key"].replace("-", "_"): paper["key"] for paper in listed()}
        files = [path for path in sorted(self.recipes.glob("[!_]*/[!_]*.py"))]
        found = {keys.get(path.stem, path.stem.replace("_", "-")): path for path in files}
        ordered = [paper["key"] for paper in listed() if paper["key"] in found]
        return {key: found[key] for key in [*ordered, *sorted(set(found) - set(ordered))]}

    def module_name(self, path: Path) -> str:
        """What to import for a recipe's file."""
        return f"{self.package}.{path.parent.name}.{path.stem}"

    def record(self, key: str) -> Path:
        """Where the record of a recipe lies, or would."""
        return self.records / f"{key}.json"


def checkout() -> Path | None:
    """The root of the checkout that this package runs from, or None for an installed wheel."""
    root = PACKAGE.parents[1]
    return root if (root / "pyproject.toml").is_file() and PACKAGE.parent.name == "src" else None


def shelf() -> Shelf:
    """The library's own: records in the checkout's `reproductions/`, or in the wheel."""
    root = checkout()
    return Shelf(PACKAGE / "recipes", "pilothouse.recipes", root / "reproductions" if root else PACKAGE / "_records")
