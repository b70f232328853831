"""`reproduce`: runs claims, says what came out, and writes the records."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pilothouse.catalogue import hashes, plot, records, tables
from pilothouse.catalogue.catalogue import load_claim
from pilothouse.catalogue.records import Record
from pilothouse.catalogue.shelf import Shelf, shelf
from pilothouse.core.errors import SettingError

Write = Callable[[str], Any]
DEFAULT_OUT = Path("reproductions")


def reproduce(
    name: str,
    *,
    seeds: int | None = None,
    seed: int | None = None,
    out: Path = DEFAULT_OUT,
    write: Write = print,
    on: Shelf | None = None,
) -> Record:
    """Measures the claim of one recipe, and writes `NAME.svg` and `NAME.json` to `out`.

    - `seeds`: how many; when None the claim's own number, or that of the record in `out` if it was measured on more.
    - `seed`: the first; 1000 when None. Other seeds never replace a record: give another `out`.
    - `write`: takes the lines that a user reads.

    **Raises:** `UnknownNameError` for a name unknown or only planned, `WiringError` for a recipe without a claim,
    `SettingError` for no seeds or negative ones, `OutputError` where the record may not or cannot be written; all but
    the last before anything is measured.
    """
    from pilothouse.evaluate.claim import FINAL_SEED, final_seeds, run_claim

    place = on or shelf()
    claim = load_claim(name, on=place)
    records.check_storable(claim)
    if seed is not None and seed < 0:
        raise SettingError(f"seed={seed} was given; expected 0 or more.")
    path = Path(out) / f"{name}.json"
    old = records.read(path) if path.exists() else None
    if seeds is None:
        seeds = claim.seeds if old is None or seed is not None else max(claim.seeds, len(old["seeds"]))
    numbers = final_seeds(seeds, FINAL_SEED if seed is None else seed)
    records.refuse_to_overwrite(path, numbers, final=FINAL_SEED, shipped=place.records)
    before = None if old is None else old["verdict"]
    write(f"{name}: measuring {', '.join(claim.arms)} on {len(numbers)} seed(s), {numbers[0]} to {numbers[-1]}")
    marks = records.marks_of(place.modules()[name])
    started = time.perf_counter()
    measured = run_claim(claim, numbers)
    record = records.make(
        claim,
        measured,
        numbers,
        seconds=time.perf_counter() - started,
        marks=marks,
        command=_command(name, numbers, FINAL_SEED),
    )
    records.write_whole(path.with_suffix(".svg"), plot.svg(record))
    records.write(record, path)
    write(f"\n{tables.record_table(record)}\n\nwrote {path} and {path.with_suffix('.svg').name}")
    if before is not None and before != record["verdict"]:
        write(f"The verdict was {before!r} and is now {record['verdict']!r}: this belongs into CHANGELOG.md.")
    return record


def reproduce_many(
    names: Sequence[str] = (),
    *,
    everything: bool = False,
    stale: bool = False,
    seeds: int | None = None,
    seed: int | None = None,
    out: Path = DEFAULT_OUT,
    write: Write = print,
    on: Shelf | None = None,
) -> list[Record]:
    """Several records, one after the other; all names are checked before the first is measured.

    They are those named, or every claim (`everything`), or those whose records are of an earlier claim or of earlier
    parts (`stale`).
    """
    place = on or shelf()
    chosen = list(names) or (claims(on=place) if everything else stale_records(on=place) if stale else [])
    if not (names or everything or stale):
        raise SettingError("Nothing to reproduce was named. Name recipes, or give --all or --stale.")
    for name in chosen:
        load_claim(name, on=place)
    if not chosen:
        write("No record is stale." if stale else "No recipe with a claim is built.")
    return [reproduce(name, seeds=seeds, seed=seed, out=out, write=write, on=place) for name in chosen]


def claims(*, on: Shelf | None = None) -> list[str]:
    """The keys of all recipes whose file holds a claim."""
    return [key for key, path in (on or shelf()).modules().items() if hashes.has_claim(path)]


def stale_records(*, on: Shelf | None = None) -> list[str]:
    """The keys of the records measured with earlier parts, or of an earlier claim; reads source files only."""
    place = on or shelf()
    built = [key for key in place.modules() if place.record(key).exists()]
    return [key for key in built if records.staleness(records.read(place.record(key)), on=place) is not None]


def _command(name: str, seeds: Sequence[int], final: int) -> str:
    first = "" if seeds[0] == final else f" --seed {seeds[0]}"
    return f"pilothouse reproduce {name} --seeds {len(seeds)}{first}"
