"""The agents that the suite's simulator sets are recorded with: SAC at five ages, committed, and how to make them again.

actors/<environment>/<environment steps>/   a saved policy each

Made by `pilothouse train sac --env <environment> --steps <steps> --set width=128 --out DIR --resume` for each age in
turn (seed 0), which is what `train_actors` does.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from importlib import resources
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import equinox as eqx

from pilothouse.core.errors import CheckpointError
from pilothouse.policies.policy import Mode, Policy, Sampled
from pilothouse.train.policy_files import SavedPolicy, load

ENVIRONMENTS = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5")
AGES = (20_000, 60_000, 120_000, 200_000, 300_000)
"""Environment steps after which the policy was kept."""
SETTINGS = {"width": 128}

Tell = Callable[[str], None]


def committed_actors(environment: str) -> dict[int, Path]:
    """The folder of the policy of each age; empty where none are committed."""
    root = Path(str(resources.files("pilothouse.evaluate") / "actors" / environment))
    return {age: root / str(age) for age in AGES} if all((root / str(age)).is_dir() for age in AGES) else {}


def exploring(policy: SavedPolicy) -> Policy:
    """The same actor, drawing its actions as it did while it learned, in place of taking the likeliest.

    Raises `CheckpointError` for a policy that is not an actor's likeliest action.
    """
    inner = getattr(policy.policy, "policy", None)
    if not isinstance(inner, Mode):
        raise CheckpointError(f"The policy of recipe {policy.recipe!r} does not draw its actions; record one of sac.")
    return eqx.tree_at(lambda p: p.policy.policy, policy, Sampled(inner.actor))


def checksum(folder: Path) -> str:
    """Of the arrays of a saved policy."""
    return json.loads((folder / "manifest.json").read_bytes())["checksums"]["policy.safetensors"]


def open_actors(folders: Mapping[int, Path]) -> dict[int, SavedPolicy]:
    return {age: load(folder) for age, folder in folders.items()}


def train_actors(environments: Sequence[str], out: Path, tell: Tell) -> dict[str, dict[int, Path]]:
    """Trains the agents of these environments, side by side on as many cores as there are, and keeps five ages of each.

    Goes on where it was interrupted. **Returns:** for each environment the folder of each age, below `out/actors`.
    """
    found = {name: {age: out / "actors" / name / str(age) for age in AGES} for name in environments}
    missing = [name for name in environments if not all(folder.is_dir() for folder in found[name].values())]
    if not missing:
        return found
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    workers = min(len(cores), len(missing))
    rounds = -(-len(missing) // workers)
    tell(f"training {', '.join(missing)}, {workers} at a time: about {18 * rounds} minutes on a quiet machine")
    began = time.monotonic()
    context = get_context("spawn")  # a forked copy of a process that runs JAX hangs
    places = context.Queue()
    for core in cores[:workers]:
        places.put(core)
    with ProcessPoolExecutor(workers, context, initializer=_pin, initargs=(places,)) as pool:
        waiting: set[Future[None]] = {pool.submit(_train_one, name, str(out)) for name in missing}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=30)
                for each in done:
                    each.result()
                stands = ", ".join(f"{name} {_stands_at(out, name):,}" for name in missing)
                tell(f"training: {stands} of {AGES[-1]:,} steps, {(time.monotonic() - began) / 60:.0f} min")
        except BaseException:
            _stop(pool)
            raise
    return found


def _stop(pool: ProcessPoolExecutor) -> None:
    """Interrupts the workers, each of which then writes a checkpoint; nothing that waits is begun."""
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in active_children():
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGINT)


def _pin(places: Any) -> None:
    """One core a worker: two that share two cores take turns and both wait."""
    core = places.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _train_one(environment: str, out: str) -> None:
    for age in AGES:
        train_age(environment, Path(out), age)


def train_age(
    environment: str, out: Path, age: int, settings: Mapping[str, Any] = SETTINGS, *, episodes: int = 5
) -> Path:
    """Trains on to this age and keeps the policy as `actors/<environment>/<age>`; nothing where it is kept already."""
    from pilothouse.algorithm.registry import load_recipe
    from pilothouse.train.resolve import environment_source
    from pilothouse.train.run import train

    kept = out / "actors" / environment / str(age)
    if kept.is_dir():
        return kept
    run = out / "training" / environment
    bound, place = load_recipe("sac")(**settings), environment_source(environment)
    train(bound, place, steps=age, out=run, resume=True, episodes=episodes)
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{age}.", dir=kept.parent))
    try:
        shutil.copytree(run / "policy" / "seed-0", scratch / "policy")
        (scratch / "policy").rename(kept)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return kept


def _stands_at(out: Path, environment: str) -> int:
    """The last step of which metrics were written."""
    try:
        last = (out / "training" / environment / "metrics.jsonl").read_bytes().strip().rsplit(b"\n", 1)[-1]
        return int(json.loads(last)["step"])
    except (OSError, ValueError, KeyError):
        return 0
