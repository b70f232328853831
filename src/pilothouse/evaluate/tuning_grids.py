"""Which settings `compare --tune` tries: a small grid for each recipe, of floats only, so that all are one program."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.algorithm.recipe import Bound
from pilothouse.core.errors import SettingError

Grid = Mapping[str, Sequence[float]]

GRIDS: Mapping[str, Grid] = {
    "bc": {"lr": (1e-4, 3e-4, 1e-3)},
    "td3bc": {"alpha": (1.0, 2.5, 10.0)},
    "a2pr": {"alpha": (1.0, 2.5, 10.0)},
    "prdc": {"alpha": (2.5, 10.0, 40.0)},
    "iql": {"expectile": (0.7, 0.9), "sharpness": (3.0, 10.0)},
    "idql": {"expectile": (0.7, 0.8, 0.9)},
    "percent-bc": {"share": (0.05, 0.1, 0.25)},
    "awac": {"temperature": (0.3, 1.0, 3.0)},
    "crr": {"temperature": (0.3, 1.0, 3.0)},
    "cql": {"weight": (0.5, 5.0, 10.0)},
    "rebrac": {"actor_penalty": (0.001, 0.01, 0.1), "critic_penalty": (0.0, 0.01)},
    "edac": {"diversity": (0.0, 1.0, 5.0)},
    "riql": {"quantile": (0.1, 0.25, 0.5)},
    "dual-rl": {"mix": (0.6, 0.7, 0.8)},
    "trajectory-weighting": {"temperature": (0.03, 0.1, 0.3)},
    "crr-cql": {"temperature": (0.3, 1.0, 3.0)},
    "cfpi": {"slack": (0.1, 0.5, 1.0)},
    "ss-orl": {"alpha": (1.0, 2.5, 10.0)},
    "gild": {"pull": (0.3, 1.0, 3.0)},
    "rorl": {"caution": (0.3, 1.0, 3.0)},
    "pars": {"scale": (1.0, 10.0, 100.0)},
    "saq": {"weight": (0.3, 1.0, 3.0)},
    "diffusion-ql": {"alpha": (0.5, 1.0, 2.0)},
    "edp": {"alpha": (0.5, 1.0, 2.0)},
    "consistency-ac": {"eta": (0.3, 1.0, 3.0)},
    "cfgrl": {"guidance": (1.0, 1.5, 3.0)},
    "eda": {"sharpness": (1.0, 3.0, 10.0)},
    "doc": {"constraint": (0.3, 1.0, 3.0)},
    "br-rcrl": {"share": (0.03, 0.1, 0.3)},
    "mopo": {"penalty": (0.5, 1.0, 5.0)},
    "combo": {"beta": (0.5, 1.0, 5.0)},
}
"""The strength of each method's hold on the data, around its papers' values."""
OTHERWISE: Grid = {"lr": (1e-4, 3e-4, 1e-3)}


def grid_for(bound: Bound, given: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """What is tried for this method: what is `given` for settings that it has, else its own small grid.

    Names in `given` are settings, or `recipe.setting` for one method alone. Values are checked against the setting's
    range. Raises `SettingError`.
    """
    mine: dict[str, tuple[float, ...]] = {}
    for name, values in given.items():
        recipe, _, setting = name.rpartition(".")
        if (recipe and recipe != bound.name) or setting not in bound.recipe.settings:
            continue
        about = bound.recipe.settings[setting]
        if about.type is not float:
            raise SettingError(
                f"--grid {name}: {setting} of {bound.name} is of type {about.type.__name__}, and settings that are tried "
                "together are floats. Give it by --set, in runs of their own."
            )
        mine[setting] = tuple(about.check(value) for value in values)
    if mine:
        return mine
    known = GRIDS.get(bound.name, OTHERWISE)
    return {name: tuple(values) for name, values in known.items() if name in bound.floats} or {
        name: (bound.floats[name],) for name in list(bound.floats)[:1]
    }


def settings_of_grid(grid: Grid) -> list[dict[str, float]]:
    """Every combination, the last name changing fastest."""
    names = list(grid)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*grid.values())]


def parse_grid(texts: Sequence[str], recipes: Sequence[Bound]) -> dict[str, tuple[float, ...]]:
    """`alpha=1,2.5,10` or `iql.expectile=0.7,0.9` to names and values; a name that no method has is refused."""
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        recipe, _, setting = name.rpartition(".")
        asked = [bound for bound in recipes if not recipe or bound.name == recipe]
        if not equals or not setting or not values:
            raise SettingError(f"--grid {text!r} is not of the form name=value,value.")
        if not any(setting in bound.recipe.settings for bound in asked):
            raise SettingError(f"--grid {name}: none of the compared methods has this setting.")
        try:
            found[name] = tuple(float(value) for value in values.split(","))
        except ValueError:
            raise SettingError(f"--grid {text!r}: {values!r} is not a list of numbers.") from None
    return found


def lanes(settings: Sequence[Mapping[str, float]], seeds: Sequence[int]) -> tuple[list[int], dict[str, Any]]:
    """Seeds and floats of the lanes: for each setting all seeds, one setting after the other."""
    every = [seed for _ in settings for seed in seeds]
    names = settings[0] if settings else {}
    return every, {name: [float(s[name]) for s in settings for _ in seeds] for name in names}
