"""A shelf of two made-up recipes, so that everything runs without training."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.catalogue import hashes
from pilothouse.catalogue.shelf import Shelf

METHOD = '''"""A made-up method: it adds five.

Source: nobody.
"""

import numpy as np
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Fraction
from pilothouse.algorithm.steps import Algorithm, Rule, copy_of
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, within

BONUS = 5.0


@recipe("n-vr-pg", takes=Takes(source="data", action=("Discrete",)))
def n_vr_pg(spec, *, share: Fraction = 0.5, batch: int = 4) -> Algorithm:
    """Not hashed."""
    follow = Rule(lambda parts, batch, aux, key: {"slow": parts["fast"]}, ("slow",), name="follow")
    return Algorithm.of(
        parts={"fast": lambda key: np.zeros(spec.action.n), "slow": copy_of("fast")},
        cycle=(follow,), acts=lambda parts: None, optimizer=optax.adam(share),
    )


def measure(seeds):
    base = np.asarray(seeds, float) % 7 + 1.0
    diverged = np.zeros(len(seeds), bool)
    diverged[0] = True
    return Measured({"new": base + BONUS, "old": base, "third": base + 0.5}, {"old": diverged})


def unrelated():
    return 1


CLAIM = Claim(
    recipe="n-vr-pg",
    statement="Adding five gives five more.",
    basis="analogue",
    source="paper",
    measure=measure,
    relations=(greater("new", "old"), within("third", "old", 1.0)),
    unit={"new": "return", "old": "return", "third": "return"},
    effect=5.0,
    settings={"new": {"bonus": BONUS}},
    tried={"new": (1.0, 5.0), "old": (0.0, 0.0)},
    seeds=5,
    notes="Made up.",
)
'''

BASELINE = '''"""Plain baseline: nothing added.

More words.
"""

from pilothouse.algorithm.recipe import recipe


@recipe("toy-baseline")
def toy_baseline(spec, *, batch: int = 4) -> None:
    return None
'''


def write_recipes(folder: Path) -> None:
    for wing, name, text in (("tabular", "n_vr_pg", METHOD), ("offline", "toy_baseline", BASELINE)):
        (folder / wing).mkdir(parents=True)
        (folder / wing / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "offline" / "_shared.py").write_text("raise ImportError('not a recipe')\n", encoding="utf-8")


@pytest.fixture
def toy_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Two recipes in a package of their own, and an empty folder for records."""
    from pilothouse.algorithm.recipe import RECIPES

    registered = dict(RECIPES)
    write_recipes(tmp_path / "toy_recipes")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    hashes.forget()
    yield Shelf(tmp_path / "toy_recipes", "toy_recipes", tmp_path / "reproductions")
    hashes.forget()
    RECIPES.clear()
    RECIPES.update(registered)
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_recipes"]:
        del sys.modules[name]
