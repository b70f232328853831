"""The pages about runs: the list, several beside one another, and one by itself."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.report.charts import NARROW, WIDE, SeedRow, seed_dots
from pilothouse.report.markup import Markup, element
from pilothouse.report.numerals import UNKNOWN, count, duration, number
from pilothouse.report.run_report import flat
from pilothouse.report.view import layout
from pilothouse.report.view.curves import metrics_of, names_of
from pilothouse.report.view.folder import RETURN, Found, RunSummary, read_config

PER_PAGE = 250
MOST_COMPARED = 12
SORTS = (("changed", "Newest first"), ("name", "Name"), ("return", "Highest return"), ("recipe", "Recipe"))
STATES = (("", "Any state"), ("running", "Running"), ("finished", "Finished"), ("stopped", "Stopped"))


def chosen_runs(found: Found, query: Mapping[str, str]) -> list[RunSummary]:
    """The runs that match what was asked for, in the order asked for."""
    words = query.get("q", "").lower().split()
    state = query.get("state", "")
    runs = [run for run in found.runs if not state or run.state == state]
    runs = [r for r in runs if all(word in f"{r.name} {r.recipe} {r.source}".lower() for word in words)]
    lowest = float("-inf")
    order = {
        "name": lambda run: (run.name,),
        "recipe": lambda run: (run.recipe, run.source, run.name),
        "return": lambda run: (-(lowest if run.mean_return is None else run.mean_return), run.name),
    }
    return sorted(runs, key=order[query["sort"]]) if query.get("sort") in order else runs


def runs_page(found: Found, query: Mapping[str, str], folder: str) -> str:
    """The list of runs, with a form to filter it and boxes to compare some."""
    runs = chosen_runs(found, query)
    page = max(int(query["page"]) if query.get("page", "").isdecimal() and len(query["page"]) < 7 else 1, 1)
    shown = runs[(page - 1) * PER_PAGE : page * PER_PAGE]
    running = sum(run.state == "running" for run in found.runs)
    facts = f"{count(len(found.runs), 'run')}" + (f", {running} running" if running else "")
    facts += f"; {len(runs):,} shown" if len(runs) != len(found.runs) else ""
    cut = (
        layout.sentences("This folder holds very many folders: only the first were looked through.")
        if found.cut
        else None
    )
    form = element(
        "form",
        layout.search("q", query.get("q", ""), label="Filter", hint="recipe, source or name"),
        layout.choice("state", query.get("state", ""), STATES, label="State"),
        layout.choice("sort", query.get("sort", "changed"), SORTS, label="Order"),
        element("button", "Apply", type="submit"),
        class_="filters",
        role="search",
        data_auto=True,
    )
    body = _run_table(shown) if shown else _nothing(found, query)
    parts = [
        element("p", facts, class_="lead", id="facts", data_live_runs="1" if running else None),
        cut,
        form,
        body,
        _pager(len(runs), page, query),
        _reports(found.reports),
    ]
    return layout.page("Runs", *parts, active="/", folder=folder)


def _nothing(found: Found, query: Mapping[str, str]) -> Markup:
    if found.runs:
        return element("p", "No run matches. ", element("a", "Show all", href="/"), class_="empty")
    return element(
        "div",
        element("p", "There are no runs in this folder yet. Train one, and it appears here while it learns:"),
        element("pre", element("code", "pilothouse train ppo --world cartpole --steps 50000 --seeds 5")),
        class_="empty",
    )


def _run_table(runs: Sequence[RunSummary]) -> Markup:
    head = ["Run", "", "Recipe", "Source", "Seeds", "Steps", "Return", "State", "Changed"]
    rows = [
        [
            element("a", run.name, href=layout.address("/run", {"name": run.name})),
            layout.checkbox("run", run.name, f"Compare {run.name}"),
            run.recipe,
            run.source or UNKNOWN,
            str(run.seeds or UNKNOWN),
            progress(run),
            return_text(run),
            state_chip(run),
            ago(run.changed),
        ]
        for run in runs
    ]
    form = element(
        "form",
        layout.table("Runs of this folder; tick some to compare them.", head, rows, id_="runs"),
        element("div", element("button", "Compare ticked runs", type="submit"), class_="sticky"),
        action="/compare",
    )
    return form


def progress(run: RunSummary) -> str:
    return f"{run.step:,}" + (f" of {run.planned:,}" if run.planned and run.planned > run.step else "")


def return_text(run: RunSummary) -> str:
    return number(run.mean_return) + (f" ({run.diverged} diverged)" if run.diverged else "")


def state_chip(run: RunSummary) -> Markup:
    if run.damaged:
        return element("span", run.damaged, class_="chip warn")
    return layout.chip(run.state, {"running": "live", "finished": "good"}.get(run.state, ""))


def ago(when: float) -> str:
    if when <= 0:
        return UNKNOWN
    seconds = max(time.time() - when, 0.0)
    if seconds < 60:
        return "now"
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return UNKNOWN


def _pager(total: int, page: int, query: Mapping[str, str]) -> Markup | None:
    last = -(-total // PER_PAGE)
    if last <= 1:
        return None
    kept = {key: query.get(key, "") for key in ("q", "state", "sort")}

    def to(number: int, text: str) -> Markup:
        return element("a", text, href=layout.address("/", {**kept, "page": number}))

    return element(
        "nav",
        to(page - 1, "Newer") if page > 1 else None,
        element("span", f"Page {page} of {last}"),
        to(page + 1, "Older") if page < last else None,
        class_="pager",
        aria_label="Pages of runs",
    )


def _reports(names: Sequence[str]) -> Markup | None:
    if not names:
        return None
    items = [element("li", element("a", name, href=layout.address("/report", {"name": name}))) for name in names[:200]]
    return layout.section("Reports", element("ul", *items))


def compare_page(runs: Sequence[tuple[str, Path, RunSummary]], metric: str | None, folder: str) -> str:
    """Runs beside one another: curves with bands, last returns seed by seed, and the settings that differ."""
    if not runs:
        body = element(
            "p", "No runs were ticked. ", element("a", "Back to the list", href="/"), class_="empty", role="status"
        )
        return layout.page("Compare", body, active="/", folder=folder)
    names = names_of([path for _, path, _ in runs])
    metric = metric if metric in names else names[0] if names else RETURN
    query = [("run", name) for name, _, _ in runs]
    picker = element(
        "form",
        *(element("input", type="hidden", name="run", value=name) for name, _, _ in runs),
        layout.choice("metric", metric, [(name, name) for name in names] or [(RETURN, RETURN)], label="Metric"),
        element("button", "Show", type="submit"),
        class_="filters",
        data_auto=True,
    )
    live = "1" if any(summary.state == "running" for _, _, summary in runs) else ""
    parts = [
        element(
            "p", "Bold: the interquartile mean over seeds; band: its pointwise 95% bootstrap interval.", class_="lead"
        ),
        picker,
        layout.plot(
            layout.address("/api/curves", [*query, ("metric", metric)]), f"{metric} by steps", tall=True, live=live
        ),
        _last_returns(runs),
        _differences(runs),
    ]
    return layout.page("Compare runs", *parts, active="/", folder=folder)


def _last_returns(runs: Sequence[tuple[str, Path, RunSummary]]) -> Markup | None:
    rows = [SeedRow(name, list(summary.returns), None) for name, _, summary in runs if summary.returns]
    if not rows:
        return None
    charts = (
        element(
            "div", seed_dots(rows, x_label="return", describe="Last return of each seed", width=width), class_=class_
        )
        for width, class_ in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    return layout.section("Last returns, seed by seed", element("figure", *charts))


def _differences(runs: Sequence[tuple[str, Path, RunSummary]]) -> Markup:
    kept = ("recipe", "settings", "source", "seeds", "seed", "steps", "online_steps", "schedule", "versions")
    settings = []
    for _, path, _ in runs:
        config = read_config(path / "config.json") or {}
        settings.append(dict(flat("", {key: config[key] for key in kept if key in config})))
    keys = list(dict.fromkeys(key for one in settings for key in one))
    differing = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    head = ["Setting", *(name for name, _, _ in runs)]

    def rows(some: Sequence[str]) -> list[list[Markup | str]]:
        return [[key, *(one.get(key, UNKNOWN) for one in settings)] for key in some]

    same = [key for key in keys if key not in differing]
    shown = (
        layout.table("Settings that differ", head, rows(differing))
        if differing
        else layout.sentences("Settings are equal.")
    )
    folded = element(
        "details",
        element("summary", f"Show {count(len(same), 'setting')} that all share"),
        layout.table("Shared settings", head[:2], [row[:2] for row in rows(same)]),
    )
    return layout.section("Settings", shown, folded if same else None)


def run_page(name: str, path: Path, run: RunSummary, reports: Sequence[str], folder: str) -> str:
    """One run: how it stands, its curves, an episode to step through, its seeds and settings."""
    metrics = metrics_of(path)
    names = names_of([path])
    config = read_config(path / "config.json") or {}
    facts = [
        ("State", state_chip(run)),
        ("Recipe", element("a", run.recipe, href=f"/papers/{run.recipe}")),
        ("Source", run.source or UNKNOWN),
        ("Seeds", str(run.seeds or UNKNOWN)),
        ("Steps", element("span", progress(run), data_step=True)),
        ("Return", element("span", return_text(run), data_return=True)),
    ]
    live = "1" if run.state == "running" else ""
    picker = element(
        "div",
        layout.choice("metric", names[0] if names else "", [(one, one) for one in names], label="Metric"),
        class_="filters",
    )
    first = layout.address("/api/curves", {"run": name, "metric": names[0]}) if names else ""
    curves = (
        layout.section("Curves", picker, layout.plot(first, "Metric by steps", tall=True, live=live))
        if names
        else layout.section("Curves", element("p", "Nothing has been measured yet.", class_="empty"))
    )
    parts = [
        element(
            "dl",
            *(element("div", element("dt", k), element("dd", v)) for k, v in facts),
            class_="facts",
            data_run=name,
            data_live=live or None,
        ),
        curves,
        _episode_section(name, path),
        _seeds(metrics, path),
        _settings(config),
        _reports(reports),
    ]
    return layout.page(name, *parts, active="/", folder=folder)


def _episode_section(name: str, path: Path) -> Markup:
    seeds = sorted(
        int(p.name.removeprefix("seed-"))
        for p in (path / "policy").glob("seed-*")
        if p.name.removeprefix("seed-").isdecimal()
    )
    if not seeds:
        told = "The policy can be watched here once the run has saved it, which it does at its end."
        return layout.section("Watch an episode", element("p", told, class_="empty"))
    form = element(
        "form",
        layout.choice("policy", str(seeds[0]), [(str(s), f"seed {s}") for s in seeds], label="Policy"),
        layout.field(
            "Episode",
            element("input", type="number", name="episode", id="q-episode", value="0", min="0", max="999999"),
            id_="q-episode",
        ),
        element("button", "Act it", type="submit"),
        class_="filters",
        data_watch=name,
    )
    stage = element(
        "div",
        element("p", "An episode is acted on this machine, which takes some seconds.", class_="quiet"),
        id="stage",
        aria_live="polite",
    )
    return layout.section("Watch an episode", form, stage)


def _seeds(metrics: Any, path: Path) -> Markup | None:
    by_seed = metrics.lines.get(RETURN, {})
    if not by_seed:
        return None
    seconds = metrics.timing.get("seconds", {})
    rows = []
    for seed, (steps, values) in by_seed.items():
        finite = values[values == values]
        last, best = (finite[-1], finite.max()) if len(finite) else (None, None)
        told = "diverged" if seed in metrics.diverged else ""
        clock = duration(seconds[seed]) if seed in seconds else UNKNOWN
        rows.append([f"seed {seed}", f"{int(steps[-1]):,}", number(last), number(best), clock, told])
    return layout.section(
        "Seeds", layout.table(f"{RETURN} of each seed", ["Seed", "Last step", "Last", "Best", "Time", ""], rows)
    )


def _settings(config: Mapping[str, Any]) -> Markup | None:
    """The recipe's settings at sight, and the rest of the config on demand."""
    if not config:
        return None
    command = str(config.get("command") or "")
    shown = dict(flat("", config["settings"])) if config.get("settings") else {}
    rest = dict(flat("", {key: value for key, value in config.items() if key not in ("command", "settings")}))
    typed = (
        element("pre", element("code", command), tabindex="0", role="region", aria_label="Command") if command else None
    )

    def listed(caption: str, pairs: Mapping[str, str]) -> Markup:
        return layout.table(caption, ["Setting", "Value"], [[key, value] for key, value in pairs.items()])

    more = element("details", element("summary", "Show the whole config"), listed("The rest of the config", rest))
    return layout.section("Settings", typed, listed("Settings of the recipe", shown) if shown else None, more)
