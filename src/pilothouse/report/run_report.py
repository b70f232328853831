"""The report of one run, from what lies in its folder; what is missing there is said, and the rest is shown."""

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.report.charts import SeedRow, curve_of_runs, learning_curves, seed_dots
from pilothouse.report.metrics_file import Line, Metrics, read_metrics
from pilothouse.report.numerals import UNKNOWN, count, duration, interval, listed, number
from pilothouse.report.page import (
    Block,
    Callout,
    Code,
    Fact,
    Facts,
    Figure,
    Film,
    Folded,
    Notice,
    Page,
    Pairs,
    Prose,
    Section,
    Table,
    write_page,
)
from pilothouse.report.scales import finite
from pilothouse.report.video import LARGEST_VIDEO, Video
from pilothouse.statistics import interquartile_mean, mean_interval

RETURNS = ("evaluation/return", "return", "episode/return", "collect/return")
"""Names under which a run's return is looked for, best first; then any name that ends in `return`."""

MOST_CHARTS = 12
"""Charts of further metrics; names beyond are listed."""

_FILMS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".png": "image/png"}
_SECONDS = ("seconds", "wall_seconds", "wall", "elapsed")


def write_run_report(folder: Path | str) -> Path:
    """Writes `report.html` into a run folder and returns its absolute path.

    Reads `config.json` and `metrics.jsonl` (either may be missing, not both), and a video from `episodes/`.

    Raises `DataError` where the folder is not one of a run, `OutputError` where the report cannot be written.
    """
    folder = Path(folder)
    return write_page(run_page(folder), folder / "report.html")


def run_page(folder: Path) -> Page:
    """The report of a run as a page, before it is written."""
    if not folder.is_dir():
        raise DataError(f"There is no run folder {str(folder)!r}. Give the folder that `pilothouse train` wrote.")
    if not (folder / "config.json").exists() and not (folder / "metrics.jsonl").exists():
        raise DataError(
            f"{str(folder)!r} holds neither config.json nor metrics.jsonl, so it is not the folder of a run. "
            "Give the folder that `pilothouse train` wrote."
        )
    config, faults = _read_config(folder / "config.json")
    metrics, more = _read_metrics(folder / "metrics.jsonl")
    faults += more
    name = return_name(metrics)
    first: list[Block] = [*_summary(metrics, name), *(Notice(fault) for fault in faults)]
    sections = [
        Section("What came out", first),
        *_returns(metrics, name),
        *_losses(metrics),
        *_others(metrics, name),
        *_episode(folder),
        Section("Run it again", _again(config)),
    ]
    recipe = str(config.get("recipe") or folder.absolute().name)
    source = source_name(config)
    return Page(f"{recipe} on {source}" if source else recipe, "Pilothouse run", "", sections)


def return_name(metrics: Metrics) -> str | None:
    """The metric that is the run's return, or None where there is none."""
    ending = sorted(name for name in metrics.lines if name.rsplit("/", 1)[-1] == "return")
    return next((name for name in (*RETURNS, *ending) if name in metrics.lines), None)


def _read_config(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.exists():
        return {}, ["`config.json` is missing: settings, versions and the command are not known."]
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        return {}, ["`config.json` cannot be read: settings, versions and the command are not known."]
    return config, []


def _read_metrics(path: Path) -> tuple[Metrics, list[str]]:
    if not path.exists():
        return Metrics({}, {}), ["`metrics.jsonl` is missing: there is nothing to draw."]
    metrics = read_metrics(path)
    faults = []
    if metrics.damaged:
        faults.append(f"{count(metrics.damaged, 'line')} of `metrics.jsonl` could not be read and were left out.")
    if metrics.cut:
        faults.append("`metrics.jsonl` is very long: only its first part is shown.")
    if not metrics.lines:
        faults.append("`metrics.jsonl` holds no numbers yet.")
    return metrics, faults


def _summary(metrics: Metrics, name: str | None) -> list[Block]:
    if not metrics.lines:
        return []
    last = max(int(steps[-1]) for by_seed in metrics.lines.values() for steps, _ in by_seed.values() if len(steps))
    seeds = metrics.seeds
    steps = Fact("Steps", f"{last:,}", count(len(seeds), "seed"))
    broken = stopped(metrics)
    bad = (
        [
            f"A loss turned infinite or NaN in seed {listed([str(s) for s in broken])}; it counts with its last finite value."
        ]
        if broken
        else []
    )
    if name is None:
        told = "No return was measured in this run; the curves below show its losses and other metrics."
        return [Callout(told, bad), Facts([steps])]
    final = _finals(metrics.lines[name])
    known = np.array([value for value in final.values() if np.isfinite(value)])
    if not len(known):
        return [Callout(f"`{name}` has no finite value.", bad), Facts([steps])]
    center, sure = float(interquartile_mean(known)), mean_interval(known)
    many = len(known) > 1
    kind = "interquartile mean of the last measurements" if many else "the last measurement"
    headline = f"{name.rsplit('/', 1)[-1].capitalize()} {number(center)} after {last:,} steps."
    how = f"{kind.capitalize()} of `{name}`" + (f" over {count(len(known), 'seed')}." if many else ", one seed.")
    spread = (
        [f"Student's 95% interval of the mean over seeds: {interval(sure)}."]
        if many
        else ["One seed says nothing of how the next would fare: run several (`--seeds 5`) for an interval."]
    )
    lost = len(final) - len(known)
    spread += [f"{count(lost, 'seed')} without a finite value left out."] if lost else []
    facts = [steps, Fact("Lowest seed", number(known.min())), Fact("Highest seed", number(known.max()))]
    return [Callout(headline, [how, *spread, *bad]), Facts(facts if many else [steps])]


def stopped(metrics: Metrics) -> list[int]:
    """Seeds that are said to have diverged, or of which some loss ends in a value that is not finite."""
    ends = [
        seed
        for name, by_seed in metrics.lines.items()
        if "loss" in name
        for seed, (_, values) in by_seed.items()
        if len(values) and not np.isfinite(values[-1])
    ]
    return sorted(metrics.diverged.union(ends))


def _finals(by_seed: Mapping[int, Line]) -> dict[int, float]:
    """For each seed the last finite value, NaN where there is none."""
    return {seed: _last(values) for seed, (_, values) in by_seed.items()}


def _last(values: np.ndarray) -> float:
    known = values[finite(values)]
    return float(known[-1]) if len(known) else float("nan")


def _returns(metrics: Metrics, name: str | None) -> list[Section]:
    if name is None:
        return []
    by_seed = metrics.lines[name]
    final = _finals(by_seed)
    curve = _figure(name, by_seed, "return")
    blocks: list[Block] = [curve]
    if len(final) > 1:
        row = SeedRow("last", list(final.values()), list(final))
        draw = partial(seed_dots, [row], x_label="return", describe="Last return of each seed")
        blocks.append(Figure(draw, "One mark per seed; the bar is the interquartile mean.", "Seeds apart."))
    rows = [
        (f"seed {seed}", f"{int(steps[-1]):,}", number(final[seed]), _best(values), _seconds(metrics, seed))
        for seed, (steps, values) in by_seed.items()
    ]
    caption = f"`{name}` of each seed. Best: the highest of all measurements, so it flatters."
    columns = ("Seed", "Last step", "Last", "Best", "Time")
    return [Section("Returns", [*blocks, Table(caption, columns, rows)])]


def _best(values: np.ndarray) -> str:
    known = values[finite(values)]
    return number(known.max()) if len(known) else UNKNOWN


def _seconds(metrics: Metrics, seed: int) -> str:
    found = next((metrics.timing[name][seed] for name in _SECONDS if seed in metrics.timing.get(name, {})), None)
    return UNKNOWN if found is None else duration(found)


def _figure(name: str, by_seed: Mapping[int, Line], y_label: str) -> Figure:
    curve = curve_of_runs(_short(name), by_seed)
    draw = partial(learning_curves, [curve], y_label=y_label, describe=f"{name} by steps")
    many = "Thin: each seed. Bold: their interquartile mean with its pointwise 95% bootstrap interval."
    return Figure(draw, many if len(by_seed) > 1 else "One seed.", f"{name}.")


def _short(name: str) -> str:
    """What stands at the end of the line: of `critic/loss` and `loss/critic` it is `critic`."""
    parts = [part for part in name.split("/") if part and part != "loss"]
    return parts[-1] if parts else name


def _losses(metrics: Metrics) -> list[Section]:
    names = sorted(name for name in metrics.lines if "loss" in name)
    if not names:
        return []
    figures = [_figure(name, metrics.lines[name], "loss") for name in names[:MOST_CHARTS]]
    return [Section("Losses", [*figures, *_unshown(names)])]


def _others(metrics: Metrics, name: str | None) -> list[Section]:
    names = sorted(other for other in metrics.lines if other != name and "loss" not in other)
    if not names:
        return []
    figures = [_figure(other, metrics.lines[other], other.rsplit("/", 1)[-1]) for other in names[:MOST_CHARTS]]
    folded = Folded(f"Show {count(min(len(names), MOST_CHARTS), 'chart')}", figures)
    return [Section("Other metrics", [folded, *_unshown(names)])]


def _unshown(names: Sequence[str]) -> list[Block]:
    left = names[MOST_CHARTS:]
    if not left:
        return []
    listed_names = ", ".join(f"`{name}`" for name in left[:40]) + (" …" if len(left) > 40 else "")
    return [Prose(f"Not drawn, but in `metrics.jsonl`: {listed_names}.")]


def _episode(folder: Path) -> list[Section]:
    """The newest video of `episodes/` that is small enough to live in a page."""
    place = folder / "episodes"
    films = [path for path in sorted(place.rglob("*")) if path.suffix.lower() in _FILMS] if place.is_dir() else []
    small = [path for path in films if path.is_file() and path.stat().st_size <= LARGEST_VIDEO]
    if not films:
        return []
    if not small:
        told = f"The videos in `episodes/` are larger than {LARGEST_VIDEO / 1e6:.0f} MB each, and stay there."
        return [Section("One episode", [Notice(told)])]
    path = small[-1]
    video = Video(path.read_bytes(), _FILMS[path.suffix.lower()])
    return [Section("One episode", [Film(video, f"`{path.relative_to(folder)}`")])]


def source_name(config: Mapping[str, Any]) -> str:
    """Where the policy acted or learned from: `source` as a text, or the first text within it that names one."""
    source = config.get("source")
    place = source if isinstance(source, dict) else config
    names = ("env", "environment", "world", "data", "dataset", "task", "model", "source")
    return next((place[name] for name in names if isinstance(place.get(name), str)), "")


def _again(config: Mapping[str, Any]) -> list[Block]:
    if not config:
        return [Notice("The command is not known, because `config.json` could not be read.")]
    command = config.get("command")
    if isinstance(command, list) and command:
        command = shlex.join(str(part) for part in command)
    blocks: list[Block] = [Code(command) if isinstance(command, str) and command else _no_command()]
    settings = [pair for name, value in config.items() if name not in _APART for pair in flat(name, value)]
    if settings:
        blocks.append(Folded("Settings", [Pairs(settings[:400])]))
    versions = config.get("versions")
    if isinstance(versions, dict) and versions:
        blocks.append(Pairs(flat("", versions)))
    else:
        blocks.append(Notice("`config.json` does not say with which versions the run was made."))
    return blocks


_APART = ("command", "versions")


def _no_command() -> Notice:
    return Notice("`config.json` holds no command; `pilothouse train --config config.json` starts the same run.")


def flat(name: str, value: Any, depth: int = 0) -> list[tuple[str, str]]:
    """Nested settings as `outer.inner` pairs, three levels deep; deeper ones as JSON."""
    if isinstance(value, dict) and value and depth < 3:
        return [
            pair
            for key, inner in value.items()
            for pair in flat(f"{name}.{key}" if name else str(key), inner, depth + 1)
        ]
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [(name, shown if len(shown) <= 300 else shown[:299] + "…")]
