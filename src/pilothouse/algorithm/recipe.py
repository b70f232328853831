"""Recipes: one published method each, as a typed function that wires pieces together.

    @recipe(paper="iql", takes=Takes(source="data", action=("Box",)))
    def iql(spec: Spec, *, expectile: Fraction = 0.7, batch: Count = 256) -> Algorithm: ...

Calling a recipe binds settings: `iql(expectile=0.9)` is a `Bound`. Its floats are leaves: the body is called again
inside the trace with traced floats, so that any learning rate shares one compiled program. All else is static.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pilothouse.algorithm.settings import Setting, check_settings, settings_of
from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Space, Spec

Source = Literal["data", "world", "continued", "text", "pairs"]
"""What a recipe learns from; `continued` is a dataset first and then, or at once as well, the world that it came from."""


@dataclass(frozen=True)
class Takes:
    """What a recipe accepts; anything else is refused by one line that says this."""

    source: Source
    action: tuple[str, ...] = ("Box",)
    obs: tuple[str, ...] = ("Box", "Discrete", "MultiDiscrete", "Dict", "image")
    masks: bool = False
    lacking: tuple[str, ...] = ()
    """Labels, of "reward" and "action", that some rows of its dataset may lack: it learns them, or does without there."""

    def __str__(self) -> str:
        """`takes Box or Discrete actions and Box, Dict or image observations`, and masks if it does."""
        masks = ", and action masks" if self.masks else ""
        return f"takes {_listed(self.action)} actions and {_listed(self.obs)} observations{masks}"

    def check(self, name: str, spec: Spec) -> None:
        """Raises `SpaceError` if the spec's spaces are not among those."""
        advice = "Choose a recipe for those (`pilothouse papers` lists them)."
        for kind in _action_kinds(spec.action):
            if kind not in self.action:
                raise SpaceError(f"Recipe {name!r} {self}; this source has {kind} actions. {advice}")
        for kind in sorted(kinds_of(spec.obs)):
            if kind not in self.obs:
                raise SpaceError(f"Recipe {name!r} {self}; this source has {kind} observations. {advice}")
        with saying_what(name, self):
            spec.check_mask()
        if spec.masked and not self.masks:
            raise SpaceError(f"Recipe {name!r} {self}; this source masks its actions. {advice}")


def kinds_of(space: Space) -> set[str]:
    """The kinds of space found in this one; a picture (`uint8`, three axes) counts as `image`."""
    if isinstance(space, DictSpace):
        return {"Dict"}.union(*(kinds_of(inner) for inner in space.spaces.values()))
    return {"image" if getattr(space, "is_image", False) else space.kind}


def _action_kinds(space: Space) -> list[str]:
    """The kinds in this one, outermost first; a box of whole numbers is a kind of its own, which no recipe takes."""
    if isinstance(space, DictSpace):
        return ["Dict", *(kind for _, inner in space.items for kind in _action_kinds(inner))]
    whole = isinstance(space, Box) and np.issubdtype(space.dtype, np.integer)
    return [f"Box of {space.dtype}" if whole else space.kind]


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@contextmanager
def saying_what(name: str, takes: Takes | None) -> Iterator[None]:
    """Spaces refused within, by whatever part, are refused in one line that ends with what the recipe takes.

    **Raises:** `SpaceError`, or `DataError` where a dataset holds such a space.
    """
    try:
        yield
    except (SpaceError, DataError) as fault:
        of_space = isinstance(fault, SpaceError) or isinstance(fault.__cause__, SpaceError)
        if not of_space or takes is None or str(takes) in str(fault):
            raise
        raise type(fault)(f"{fault} Recipe {name!r} {takes}.") from fault


@dataclass(frozen=True)
class Recipe:
    """A registered method: its name (the catalogue's key), its function, and what it takes."""

    name: str
    function: Callable[..., Any]
    takes: Takes | None
    settings: Mapping[str, Setting] = field(repr=False)
    makes: str
    """What the function returns: `Algorithm`, `Transform`, `Estimator`, `Explainer`, `Watcher`, `WorstCase`, `Benchmark` or
    `Study`."""

    @property
    def doc(self) -> str:
        """The docstring of the recipe's module: paper, mechanism, departures."""
        import sys

        return (sys.modules[self.function.__module__].__doc__ or "").strip()

    def __call__(self, **given: Any) -> "Bound":
        return Bound(self, check_settings(self.name, self.settings, given))


@dataclass(frozen=True)
class Bound:
    """A recipe with its settings."""

    recipe: Recipe
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def floats(self) -> dict[str, float]:
        """The settings that are leaves: changing them costs no compilation."""
        return {name: value for name, value in self.settings.items() if isinstance(value, float)}

    @property
    def statics(self) -> dict[str, Any]:
        """The settings that shape the program."""
        return {name: value for name, value in self.settings.items() if not isinstance(value, float)}

    def changed(self, **given: Any) -> "Bound":
        """The same recipe with some settings changed."""
        return self.recipe(**{**self.settings, **given})

    def build(self, spec: Spec, floats: Mapping[str, Any] | None = None) -> Any:
        """The algorithm (or whatever the recipe makes) for this spec; `floats` may be traced values."""
        if self.recipe.takes is not None:
            self.recipe.takes.check(self.name, spec)
        with saying_what(self.name, self.recipe.takes):
            return self.recipe.function(spec, **{**self.settings, **(floats or {})})


RECIPES: dict[str, Recipe] = {}


def recipe(name: str, *, takes: Takes | None = None) -> Callable[[Callable[..., Any]], Recipe]:
    """Register a method under its key in the catalogue. The contract suite runs over everything registered."""

    def register(function: Callable[..., Any]) -> Recipe:
        makes = getattr(function.__annotations__.get("return", Algorithm), "__name__", "Study")
        made = Recipe(name, function, takes, settings_of(function), makes)
        RECIPES[name] = made
        return made

    return register
