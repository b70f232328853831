"""One function a command: from parsed options to one call, and what is printed. Returns the `--json` document."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse.core.errors import CheckpointError, MissingExtraError, SettingError

Document = Any


def _say(options: Namespace) -> Callable[[str], None]:
    """Where words go: standard output, or standard error beside a JSON document; nowhere with --quiet."""
    if options.quiet:
        return lambda line: None
    stream = sys.stderr if options.json else sys.stdout
    return lambda line: print(line, file=stream, flush=True)


def _parse_settings(pairs: list[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingError(f"--set {pair!r} is not of the form name=value.")
        settings[name] = value
    return settings


def _configured(options: Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the command gives, over what `--config` gives, over the defaults; and the recipe's settings."""
    stored: dict[str, Any] = {}
    if options.config is not None:
        from pilothouse.train.storage import read_json

        stored = read_json(Path(options.config), "config file")
        if not isinstance(stored, dict):
            raise CheckpointError(f"{options.config} is not the config of a run: expected a JSON object.")
    source = stored.get("source", {})
    place = source.get("evaluation") or source
    defaults = {
        "recipe": stored.get("recipe"),
        "data": source.get("data"),
        "env": place.get("env"),
        "world": place.get("world"),
        "envs": place.get("environments"),
        "stack": place.get("stack", 1),
        "schedule": stored.get("schedule", "constant"),
        "steps": stored.get("steps"),
        "online_steps": stored.get("online_steps"),
        "seeds": stored.get("seeds", 1),
        "seed": stored.get("seed", 0),
        "episodes": stored.get("episodes", 20),
    }
    given = {name: getattr(options, name) for name in defaults if getattr(options, name) is not None}
    if "env" in given:
        defaults["world"] = None
    if "world" in given:
        defaults["env"] = None
    return {**defaults, **given}, {**stored.get("settings", {}), **_parse_settings(options.settings)}


def train(options: Namespace) -> Document:
    chosen, settings = _configured(options)
    if chosen["recipe"] is None:
        raise SettingError("No recipe. Name one: `pilothouse train iql --data PATH` (`pilothouse papers` lists them).")
    if chosen["steps"] is None and chosen["online_steps"] is None:
        raise SettingError("No --steps. Say how long: environment steps online, gradient updates offline.")
    from pilothouse.algorithm.recipe import saying_what
    from pilothouse.catalogue.catalogue import load_recipe
    from pilothouse.cli.datasets import columns_of
    from pilothouse.train import run
    from pilothouse.train.resolve import resolve

    bound = load_recipe(chosen["recipe"])(**settings)
    if chosen["envs"] is not None and chosen["envs"] < 1:
        raise SettingError(f"--envs {chosen['envs']}; expected at least 1.")
    with saying_what(bound.name, bound.recipe.takes):
        source = resolve(
            data=chosen["data"],
            env=chosen["env"],
            world=chosen["world"],
            environments=chosen["envs"],
            stack=chosen["stack"],
            columns=columns_of(options),
            continued=bound.recipe.takes is not None and bound.recipe.takes.source == "continued",
        )
    say = _say(options)
    finished = run.train(
        bound,
        source,
        steps=chosen["steps"],
        online_steps=chosen["online_steps"],
        seeds=chosen["seeds"],
        seed=chosen["seed"],
        out=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        episodes=chosen["episodes"],
        schedule=chosen["schedule"],
        track=tuple(options.track),
        tell=say,
        command="pilothouse " + " ".join(sys.argv[1:]),
    )
    _write_report(finished.folder, say)
    for row in finished.per_seed:
        number = "not measured" if row["return"] is None else f"return {row['return']:.2f}"
        say(f"seed {row['seed']}: {number}{'  (diverged)' if row['diverged'] else ''}")
    say(f"{finished.steps} steps a seed in {finished.seconds:.0f} s; run folder: {finished.folder}")
    return finished.as_json()


def compare(options: Namespace) -> Document:
    from pilothouse.cli.compare import run

    return run(options, _say(options), _parse_settings(options.settings))


def _write_report(folder: Path, say: Callable[[str], None]) -> None:
    from pilothouse.report.run_report import write_run_report

    say(f"report: {write_run_report(folder).resolve()}")


def policy_and_place(options: Namespace) -> tuple[Any, Any]:
    """The policy that is named, and where it acts."""
    from pilothouse.train.policies_from import policy_and_place

    return policy_and_place(
        options.policy,
        env=options.env,
        world=options.world,
        builder=options.builder,
        trust=options.trust,
        normalize=options.normalize,
    )


def sample(options: Namespace) -> Document:
    from pilothouse.cli import texts

    return texts.sample(options, _say(options))


def evaluate(options: Namespace) -> Document:
    from pilothouse.cli import texts
    from pilothouse.evaluate.until import goal_of

    bounds = None if options.bounds is None else tuple(options.bounds)
    goal = goal_of(options.until, precision=options.precision, bounds=bounds, level=options.level)
    if texts.asked(options):
        if goal is not None:
            raise SettingError("--until and --precision go with --env or --world; all of a --task's prompts are asked.")
        return texts.evaluate(options, _say(options))
    from pilothouse.evaluate.episodes import evaluate_policy

    policy, place = policy_and_place(options)
    say, how = _say(options), {"episodes": options.episodes, "goal": goal, "seed": options.seed}
    found = evaluate_policy(policy, place, **how, name=options.policy, tell=say)
    say(str(found))
    return found.as_json()


def examine(options: Namespace) -> Document:
    from pilothouse.cli.examine import run

    return run(options, _say(options))


def record(options: Namespace) -> Document:
    from pilothouse.core.plain import plain
    from pilothouse.evaluate.recording import record_policy

    policy, place = policy_and_place(options)
    say = _say(options)
    dataset = record_policy(policy, place, steps=options.steps, seed=options.seed, out=Path(options.out), tell=say)
    document = {"out": options.out, **dataset.summary(), "fingerprint": dataset.fingerprint}
    say(f"{len(dataset)} transitions in {dataset.episodes} episodes: {options.out}")
    return plain(document)


def export(options: Namespace) -> Document:
    from pilothouse.train.export import export_policy

    source = Path(options.policy)
    if source.is_dir():
        from pilothouse.train.policy_files import load

        policy = load(source)  # it knows its own spaces
        spec = policy.spec
    else:
        policy, place = policy_and_place(options)
        spec = place.spec
    done = export_policy(policy, spec, to=options.to, out=Path(options.out), source=source)
    checked = f"; off by at most {done['worst']:.1e} on {done['compared']} observations" if done["compared"] else ""
    _say(options)(f"{done['out']}: {done['bytes']} bytes{checked}")
    return done


def data(options: Namespace) -> Document:
    from pilothouse.cli import datasets

    return getattr(datasets, options.data_command.replace("-", "_"))(options, _say(options))


def papers(options: Namespace) -> Document:
    from pilothouse.catalogue import catalogue, reproduce, tables

    rows = catalogue.papers(options.wing)
    if not options.json:
        _say(options)(tables.papers_table(rows, stale=reproduce.stale_records()))
    return rows


def show(options: Namespace) -> Document:
    from pilothouse.catalogue import catalogue, reproduce, tables

    shown = catalogue.show(options.name)
    if not options.json:
        _say(options)(tables.show_text(shown, stale=options.name in reproduce.stale_records()))
    return shown


def reproduce(options: Namespace) -> Document:
    from pilothouse.catalogue.reproduce import reproduce_many

    return reproduce_many(
        options.names,
        everything=options.everything,
        stale=options.stale,
        seeds=options.seeds,
        seed=options.seed,
        out=Path(options.out or "reproductions"),
        write=_say(options),
    )


def report(options: Namespace) -> Document:
    from pilothouse.report.run_report import write_run_report

    folder = Path(options.run)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} is not a run folder: it has no config.json.")
    page = write_run_report(folder)
    _say(options)(str(page.resolve()))
    return {"report": str(page.resolve())}


def view(options: Namespace) -> Document:
    try:
        from pilothouse.report.view.app import serve
    except ModuleNotFoundError as missing:
        if missing.name not in ("starlette", "uvicorn"):
            raise
        raise MissingExtraError("The web app", "view") from missing
    serve(options.folder, host=options.host, port=options.port, tell=_say(options))
    return {"viewed": options.folder}


def quickstart(options: Namespace) -> Document:
    from pilothouse.report.quickstart import run_quickstart

    out = Path(options.out) if options.out is not None else None
    return run_quickstart(out, seed=options.seed, tell=_say(options))
