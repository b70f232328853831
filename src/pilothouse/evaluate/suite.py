"""The offline suite: datasets of known origin that methods are compared on, recorded anew in minutes.

Simulators (`hopper`, `halfcheetah`, `walker2d`): an agent of SAC at five ages (`suite_actors`), drawing its actions as
it did while it learned. `random` acts uniformly. `medium` is the age whose return lies nearest to half way between
random and the best age; it is called `poor` where that is below 0.25 and `good` from 0.75 on. `medium-replay` is the five
ages in equal shares, one after the other. `medium-best` (`poor-best`, …) is half that age and half the best one, called
`medium-expert` only where the best age earns 90% of what D4RL calls expert.

Point maze (`pointmaze`), in the manner of OGBench (Park et al., arXiv:2410.20092): a planner with noisy pushes that
walks to the episode's goal from anywhere (`navigate`), from at most two cells away, so that longer ways have to be put
together from pieces (`stitch`), or to cells of its own choice, whatever the goal (`play`). There an episode goes on
beyond its goal; here it ends at it, as our maze does.

Sparse control: `pendulum-sparse` and `mountaincar-sparse`, 30% random, 50% by a weak and noisy controller, 20% by a good
one, paid only for what is wanted.

The same actors and the same sizes give the same fingerprints on one type of machine; those of the committed actors are
in `suite.json`, with the reference returns and how they were measured.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pilothouse.core.errors import OutputError, SettingError, unknown
from pilothouse.data.minari_format import METADATA, read_metadata
from pilothouse.data.minari_write import write_minari
from pilothouse.data.references import EPISODES, HIGHEST, LOWEST, normalised
from pilothouse.evaluate.suite_actors import ENVIRONMENTS, committed_actors, train_actors
from pilothouse.evaluate.suite_recording import COPIES, recorded, seed_of
from pilothouse.evaluate.suite_sets import FAMILIES, REFERENCE_EPISODES, RESULTS, SetPlan, committed, plans_of

SIZE = 200_000
"""Transitions a set."""
LEAST = 100

Tell = Callable[[str], None]


def record_suite(
    out: str | Path,
    *,
    size: int = SIZE,
    sets: Sequence[str] = (),
    train: bool = False,
    tell: Tell = lambda line: None,
) -> list[dict[str, Any]]:
    """Records the suite into `out/<set>-v0`, Minari datasets, and writes `out/suite.json`.

    A set that is there is kept as it is; one that was interrupted is begun anew.

    **Arguments:**
    - `size`: transitions a set.
    - `sets`: names of sets, or what they begin with (`hopper`); all where none are given.
    - `train`: train the agents anew (resumably, in `out/training`) in place of using those that are committed.

    **Returns:** for each set `name, transitions, episodes, return_mean, normalised, fingerprint, as_committed, seconds`.

    **Raises:** `UnknownNameError` for a set that does not exist, `SettingError` for a size below 100, `OutputError`
    where a set of another size lies in the way.
    """
    if size < LEAST:
        raise SettingError(f"size={size}; expected at least {LEAST} transitions a set.")
    out = Path(out).expanduser()
    began = time.monotonic()
    families = _chosen_families(sets)
    if not train and not sets:
        left = [name for name in families if name in ENVIRONMENTS and not committed_actors(name)]
        families = [name for name in families if name not in left]
        if left:
            tell(f"left out, since their agents are not committed: {', '.join(left)} (--train makes them)")
    actors = train_actors([n for n in families if n in ENVIRONMENTS], out, tell) if train else {}
    plans: list[SetPlan] = []
    for family in families:
        known = {**committed()["references"], **_results(out)["references"]}
        measured, made = plans_of(family, actors.get(family), known, tell)
        plans += made
        if any(_is_chosen(plan.name, sets) for plan in made):
            _keep(out, {family: asdict(measured)}, {})
    chosen = [plan for plan in plans if _is_chosen(plan.name, sets)]
    if not chosen:
        raise unknown("set", next(iter(sets)), [plan.name for plan in plans])
    rows = []
    for number, plan in enumerate(chosen, 1):
        rows.append(_record(plan, out, size))
        unkept = ("name", "seconds", "as_committed")
        _keep(out, {}, {plan.name: {key: value for key, value in rows[-1].items() if key not in unkept}})
        tell(f"[{number}/{len(chosen)}] {_told(rows[-1])}; {time.monotonic() - began:.0f} s")
    return rows


def _chosen_families(sets: Sequence[str]) -> list[str]:
    for name in sets:
        if not any(_is_chosen(name, (short,)) or short.startswith(name) for short in FAMILIES.values()):
            raise unknown("set", name, [*FAMILIES.values(), *committed()["sets"]])
    return [
        place
        for place, short in FAMILIES.items()
        if not sets or any(_is_chosen(name, (short,)) or _is_chosen(short, (name,)) for name in sets)
    ]


def _is_chosen(name: str, sets: Sequence[str]) -> bool:
    return not sets or any(name in (given, f"{given}-v0") or name.startswith(f"{given}-") for given in sets)


def _record(plan: SetPlan, out: Path, size: int) -> dict[str, Any]:
    began, folder = time.monotonic(), out / plan.name
    if folder.exists():
        return _kept(plan, folder, size)
    for left in out.glob(f".{plan.name}.*"):  # what a killed recording left beside its place
        shutil.rmtree(left, ignore_errors=True)
    dataset = recorded(plan, size)
    score = float(normalised(dataset.returns.mean(), plan.references))
    row = {
        "name": plan.name,
        "transitions": len(dataset),
        "episodes": dataset.episodes,
        "return_mean": float(dataset.returns.mean()),
        "normalised": score,
        "fingerprint": dataset.fingerprint,
        "as_committed": _as_committed(plan.name, size, dataset.fingerprint),
        "seconds": 0.0,
    }
    lowest, highest = plan.references
    own = {
        **row,
        "place": plan.place.name,
        "copies": COPIES,
        "seed": seed_of(plan.name),
        "platform": platform.machine(),
    }
    del own["seconds"], own["as_committed"]
    write_minari(
        folder,
        dataset,
        description=plan.description,
        algorithm_name="; ".join(piece.told for piece in plan.pieces),
        author=("Pilothouse",),
        metadata={LOWEST: lowest, HIGHEST: highest, EPISODES: REFERENCE_EPISODES, "pilothouse": own},
    )
    return {**row, "seconds": time.monotonic() - began}


def _kept(plan: SetPlan, folder: Path, size: int) -> dict[str, Any]:
    """The row of a set that was recorded before."""
    stored = read_metadata(folder / "data" / METADATA)
    found = stored.get("pilothouse")
    if not isinstance(found, dict) or found.get("transitions") != size:
        told = found.get("transitions") if isinstance(found, dict) else "an unknown number of"
        raise OutputError(f"{folder}: holds {told} transitions, not {size}. Remove it, or give another --out.")
    if stored.get("description") != plan.description:
        raise OutputError(f"{folder}: was recorded with other agents. Remove it, or give another --out.")
    names = ("name", "transitions", "episodes", "return_mean", "normalised", "fingerprint")
    row = {name: found[name] for name in names}
    return {**row, "as_committed": _as_committed(plan.name, size, row["fingerprint"]), "seconds": 0.0}


def _as_committed(name: str, size: int, fingerprint: str) -> bool | None:
    known = committed()["sets"].get(name)
    return known["fingerprint"] == fingerprint if known and known["transitions"] == size else None


def _results(out: Path) -> dict[str, Any]:
    """What an earlier call measured and recorded here. Raises `OutputError` for a file of another kind."""
    file = out / RESULTS
    if not file.is_file():
        return {"references": {}, "sets": {}}
    try:
        found = json.loads(file.read_text("utf-8"))
        return {"references": dict(found["references"]), "sets": dict(found["sets"])}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise OutputError(f"{file}: is not what this command writes. Remove it, or give another --out.") from fault


def _keep(out: Path, references: Mapping[str, Any], sets: Mapping[str, Any]) -> None:
    """Adds to `suite.json`, which appears whole or not at all."""
    before = _results(out)
    kept = {
        "references": {**before["references"], **references},
        "sets": dict(sorted({**before["sets"], **sets}.items())),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = out / f".{RESULTS}.{os.getpid()}"
        scratch.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        scratch.replace(out / RESULTS)
    except OSError as fault:
        raise OutputError(f"{out / RESULTS}: cannot be written ({fault.strerror}). Give a writable --out.") from fault


def _told(row: Mapping[str, Any]) -> str:
    said = f"{row['name']}: {row['transitions']:,} transitions, {row['episodes']:,} episodes, normalised {row['normalised']:.2f}"
    if row["as_committed"] is None:
        return said
    return f"{said}, {'as committed' if row['as_committed'] else 'not the committed fingerprint (another machine type or versions)'}"
