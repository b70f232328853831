"""Records: what a claim measured, as one JSON file each. Written by measuring and in no other way."""

import contextlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pilothouse.catalogue import hashes
from pilothouse.catalogue.shelf import PACKAGE, Shelf, listed, shelf
from pilothouse.core.errors import DataError, OutputError, WiringError

if TYPE_CHECKING:
    from pilothouse.evaluate.claim import Claim, Measured

Record = dict[str, Any]

FORMAT = 1
NEEDED = ("recipe", "verdict", "underpowered", "basis", "arms", "relations", "seeds", "claim_hash", "parts_hash")
LIBRARIES = ("pilothouse", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "scikit-learn", "gymnasium")


def make(
    claim: "Claim",
    measured: "Measured",
    seeds: Sequence[int],
    *,
    seconds: float,
    marks: Mapping[str, str],
    command: str,
) -> Record:
    """The record of a measurement.

    `marks` are those of the code that was measured, taken before measuring (`marks_of`): files may change meanwhile.
    `command` is what a user types to measure it again, `seconds` the wall-clock time of it, compilation included.
    """
    from pilothouse.evaluate.claim import judge_claim

    judged = judge_claim(claim, measured.values)
    paper = next((paper for paper in listed() if paper["key"] == claim.recipe), {"id": None, "title": None})
    record = {
        "format": FORMAT,
        "recipe": claim.recipe,
        "id": paper["id"],
        "title": paper["title"],
        **{name: value for name, value in claim.to_json().items() if name not in ("relations", "seeds")},
        "verdict": judged.verdict,
        "underpowered": judged.underpowered,
        "arms": {arm: _arm(claim, arm, measured, seeds) for arm in measured.values},
        "relations": [relation.to_json() for relation in judged.relations],
        "seeds": list(seeds),
        "seconds": round(seconds, 1),
        "machine": machine(),
        "versions": versions(),
        "command": command,
        **marks,
    }
    return json.loads(json.dumps(record, default=_plain))


def marks_of(module: Path) -> dict[str, str]:
    """The two hashes of a recipe's file as it is now."""
    return {"claim_hash": hashes.claim_hash(module), "parts_hash": hashes.parts_hash(module, PACKAGE)}


def check_storable(claim: "Claim") -> None:
    """Raises `WiringError` if a claim says something that JSON cannot hold; better before measuring than after."""
    try:
        json.dumps(claim.to_json(), default=_plain, allow_nan=False)
    except (TypeError, ValueError) as fault:
        raise WiringError(
            f"The claim of {claim.recipe!r} cannot be stored: {fault}. Use finite numbers, text, lists and mappings."
        ) from fault


def read(path: Path) -> Record:
    """The record in a file. Raises `DataError` for one that is damaged, or not a record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise DataError(
            f"Record {path} cannot be read ({fault}). Measure it again: pilothouse reproduce {path.stem}"
        ) from fault
    missing = [name for name in NEEDED if not isinstance(record, dict) or name not in record]
    if missing:
        raise DataError(
            f"Record {path} is not a record: it lacks {', '.join(missing)}. "
            f"Measure it again: pilothouse reproduce {path.stem}"
        )
    if record.get("format") != FORMAT:
        raise DataError(
            f"Record {path} has format {record.get('format')!r}; this version of Pilothouse reads format {FORMAT}."
        )
    return record


def write(record: Record, path: Path) -> None:
    """Writes a record, whole or not at all."""
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a text file by way of a temporary one beside it. Raises `OutputError` where that is not possible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"Cannot write {path}: {fault.strerror or fault}. Choose another --out, or make room there."
        ) from fault


def refuse_to_overwrite(path: Path, seeds: Sequence[int], *, final: int, shipped: Path) -> None:
    """Keeps a record from being replaced by a measurement that says less.

    Measurements on seeds other than the final ones never go where the records lie (`shipped`), nor over one on final
    seeds; nor do fewer seeds go over more. Raises `OutputError`.
    """
    advice = "Give another folder with --out; the record stays as it is."
    if seeds[0] != final and path.parent.resolve() == shipped.resolve():
        raise OutputError(
            f"Seeds from {seeds[0]} on are not those of the records in {path.parent} (from {final} on). {advice}"
        )
    if not path.exists():
        return
    there = read(path)["seeds"]
    if there[0] == final and seeds[0] != final:
        raise OutputError(
            f"{path} was measured on the final seeds (from {final} on), and these begin at {seeds[0]}. {advice}"
        )
    if there[0] == seeds[0] and len(there) > len(seeds):
        raise OutputError(f"{path} was measured on {len(there)} seeds, and these are {len(seeds)}. {advice}")


def staleness(record: Record, *, on: Shelf | None = None) -> Literal["claim", "parts"] | None:
    """What has changed since the record was measured: its claim, only the parts that its recipe reaches, or nothing."""
    module = (on or shelf()).modules().get(record["recipe"])
    if module is None or not hashes.has_claim(module):
        return "claim"
    marks = marks_of(module)
    if record["claim_hash"] != marks["claim_hash"]:
        return "claim"
    return "parts" if record["parts_hash"] != marks["parts_hash"] else None


def versions() -> dict[str, str]:
    """The versions that a measurement rests on; a library that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, number of cores that may be used, system, and JAX's device where JAX is in use. No host name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"processor": _processor(), "cores": cores, "system": platform.system()}
    if "jax" in sys.modules:
        import jax

        found["device"] = jax.devices()[0].device_kind
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _arm(claim: "Claim", arm: str, measured: "Measured", seeds: Sequence[int]) -> dict[str, Any]:
    import numpy as np

    from pilothouse.statistics import interquartile_mean, mean_interval

    values = np.asarray(measured.values[arm])
    diverged = np.asarray(measured.diverged[arm])
    return {
        "unit": claim.unit_of(arm),
        "per_seed": values,
        "mean": values.mean(),
        "iqm": interquartile_mean(values),
        "interval": mean_interval(values).to_json(),
        "diverged": [seed for seed, gone in zip(seeds, diverged, strict=True) if gone],
    }


def _plain(value: Any) -> Any:
    """NumPy and JAX values as JSON holds them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"a record cannot hold a {type(value).__name__}: {value!r}")
