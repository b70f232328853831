"""`pilothouse compare`: its options, and the one call that they become."""

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from pilothouse.core.errors import SettingError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def add_options(command: Any, place: Callable[[Any], None], columns: Callable[[Any], None]) -> None:
    """What can be typed after `pilothouse compare`."""
    command.add_argument("recipes", metavar="RECIPE", nargs="*", help="methods that learn from data")
    command.add_argument("--data", metavar="PATH", help="a dataset: its folder or file, or an installed Minari id")
    columns(command)
    place(command)
    command.add_argument("--steps", type=int, help="gradient updates of each seed (10,000, or what --budget buys)")
    command.add_argument("--seeds", type=int, default=5, help="how many seeds of each method (5)")
    command.add_argument("--seed", type=int, default=0, help="the first of them (0)")
    command.add_argument("--budget", metavar="TIME", help="as 90s, 30m or 2h: updates are chosen to take about so long")
    command.add_argument("--tune", action="store_true", help="try a small grid of settings of each method as well")
    command.add_argument(
        "--grid", metavar="k=v,v", nargs="+", action="extend", default=[], help="what --tune tries: alpha=1,2.5,10"
    )
    command.add_argument("--tuned-on", metavar="N", type=int, default=50, help="online episodes for --tune (50)")
    command.add_argument("--episodes", type=int, default=20, help="held-out episodes of each policy (20)")
    command.add_argument(
        "--fqe-updates", metavar="N", type=int, default=10_000, help="updates of fitted Q for each policy (10,000)"
    )
    command.add_argument(
        "--set",
        dest="settings",
        metavar="k=v",
        nargs="+",
        action="extend",
        default=[],
        help="settings of all methods that have them; td3bc.alpha=10 for one method",
    )
    command.add_argument("--out", metavar="DIR", help="folder (runs/compare-<data>-<n>)")
    command.add_argument("--resume", action="store_true", help="go on in --out, if anything is there")
    command.add_argument("--overwrite", action="store_true", help="empty --out first")
    command.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")


def seconds_of(text: str | None) -> float | None:
    """`90s`, `30m`, `2h` or plain seconds. Raises `SettingError`."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        found = float(number) * UNITS[unit]
    except ValueError:
        found = float("nan")
    if not 0 < found < float("inf"):
        raise SettingError(f"--budget {text!r} is not a time; expected something like 90s, 30m or 2h.")
    return found


def settings_by_recipe(recipes: dict[str, Any], pairs: dict[str, str]) -> dict[str, dict[str, str]]:
    """Which recipe is given which setting; a name that none of them has is refused."""
    found: dict[str, dict[str, str]] = {name: {} for name in recipes}
    for name, value in pairs.items():
        recipe, _, setting = name.rpartition(".")
        having = [r for r, made in recipes.items() if (not recipe or r == recipe) and setting in made.settings]
        if not having:
            raise SettingError(f"--set {name}={value}: none of {', '.join(recipes)} has this setting.")
        for owner in having:
            if setting not in found[owner] or recipe:
                found[owner][setting] = value
    return found


def run(options: Namespace, say: Callable[[str], None], pairs: dict[str, str]) -> dict[str, Any]:
    """Compare, write the page, say what came out; returns the `--json` document."""
    if options.data is None:
        raise SettingError("No --data. Which dataset? `pilothouse compare iql td3bc --data PATH`.")
    from pilothouse.algorithm.recipe import saying_what
    from pilothouse.catalogue.catalogue import load_recipe
    from pilothouse.cli.datasets import columns_of
    from pilothouse.evaluate.comparison import STEPS, Plan, compare
    from pilothouse.evaluate.tuning_grids import parse_grid
    from pilothouse.report.comparison_report import write_comparison_report
    from pilothouse.train.resolve import resolve
    from pilothouse.train.sources import DataSource

    recipes = {name: load_recipe(name) for name in options.recipes}
    given = settings_by_recipe(recipes, pairs)
    bounds = [recipes[name](**given[name]) for name in options.recipes]
    if options.grid and not options.tune:
        raise SettingError("--grid says what --tune tries; give --tune as well.")
    budget = seconds_of(options.budget)
    steps = options.steps if options.steps is not None or budget is not None else STEPS
    takes = bounds[0].recipe.takes if bounds else None
    with saying_what(bounds[0].name if bounds else "", takes):
        source = resolve(data=options.data, env=options.env, world=options.world, columns=columns_of(options))
    assert isinstance(source, DataSource)
    found = compare(
        bounds,
        source,
        Plan(
            steps=steps,
            seeds=options.seeds,
            seed=options.seed,
            budget=budget,
            tune=options.tune,
            grid=parse_grid(options.grid, bounds),
            tuned_on=options.tuned_on,
            episodes=options.episodes,
            fitted_updates=options.fqe_updates,
        ),
        out=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        tell=say,
        command="pilothouse " + " ".join(sys.argv[1:]),
    )
    page = write_comparison_report(found.folder / "report.html", found)
    for line in told(found):
        say(line)
    say(f"report: {page.resolve()}")
    return found.as_json() | {"report": str(page.resolve())}


def told(found: Any) -> list[str]:
    """The table and the answer, in lines."""
    lines = []
    for row in found.as_json()["methods"]:
        shown = [f"{row['recipe']:18}"]
        if row["return"] is not None:
            low, high = row["return"]["interval"]
            span = f" [{low:.4g}, {high:.4g}]" if low is not None else ""
            shown.append(f"return {row['return']['iqm']:.4g}{span}")
        estimate = row["fqe"]["estimate"]
        trust = "trusted" if row["fqe"]["trusted"] else f"not trusted: {row['fqe']['reason']}"
        shown.append(f"estimate {estimate:.4g} ({trust})" if estimate is not None else f"no estimate ({trust})")
        shown.append(f"{row['seconds']:.0f} s" + ("  diverged" if row["diverged"] else ""))
        lines.append("  ".join(shown))
    answer = found.recommendation
    known = answer.confidence is not None and len(answer.tie) < len(answer.order)  # the best is among all, for sure
    sure = f"  (confidence {answer.confidence:.0%})" if known else ""
    return [*lines, f"{answer.sentence}{sure}", f"{found.seconds:.0f} s in all"]
