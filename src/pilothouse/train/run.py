"""A run: learning with a folder that can be killed at any moment and go on with the same numbers.

config.json   metrics.jsonl   checkpoints/   replay/   policy/seed-<s>/
"""

import fcntl
import math
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.algorithm.recipe import Bound
from pilothouse.core.errors import CheckpointError, NonFiniteError, OutputError, SettingError
from pilothouse.train.checkpoint import ReplayFiles, latest, load_checkpoint, read_manifest, save_checkpoint
from pilothouse.train.metrics import MetricsFile, trackers
from pilothouse.train.policy_files import SavedPolicy, load, save_policy
from pilothouse.train.session import Look, Plan, Session, open_session, plan_for
from pilothouse.train.sources import Source
from pilothouse.train.storage import explain, read_json, write_json

Tell = Callable[[str], None]
LOOKS = 5
"""How often a run's lock is tried before the folder counts as in use."""


@dataclass
class Run:
    """What a run came to. `per_seed` holds `{"seed", "return", "diverged"}`; `return` is null where nothing measures."""

    folder: Path
    recipe: str
    seeds: list[int]
    steps: int
    per_seed: list[dict[str, Any]]
    seconds: float
    curves: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    def policy(self, seed: int | None = None) -> SavedPolicy:
        """The policy of one seed (the first, if not said)."""
        return load(self.folder, seed=seed)

    def as_json(self) -> dict[str, Any]:
        """The document that `train --json` prints."""
        document = asdict(self)
        document["run"] = str(document.pop("folder"))
        del document["curves"]
        return document


class Interrupted(KeyboardInterrupt):
    """The user interrupted; a checkpoint was written."""


class _Interrupts:
    """Turns the first Ctrl-C into a wish, granted at the next border; the second is an ordinary one."""

    def __enter__(self) -> "_Interrupts":
        self.wished = False
        try:
            self._old = signal.signal(signal.SIGINT, self._note)
        except ValueError:  # not the main thread: nothing to catch there
            self._old = None
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True

    def __exit__(self, *fault: Any) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)


def lock(folder: Path) -> Any:
    """Hold the folder; the lock of a killed process is gone with it. Raises `OutputError` if another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # noqa: SIM115  (held until the run ends)
    except OSError as fault:
        raise explain(fault, folder) from fault
    for attempt in range(LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if attempt + 1 < LOOKS:
                time.sleep(0.02)  # `pilothouse view` holds it for a moment to see whether the run goes on
                continue
            file.close()
            raise OutputError(f"{folder} is in use by another process. Wait for it, or choose another --out.") from None
    return file


def default_folder(recipe: str, source: str, root: Path | None = None) -> Path:
    """`runs/<recipe>-<source>-<n>`, the first n that is free."""
    root = root or Path("runs")
    stem = f"{recipe}-{''.join(c if c.isalnum() or c in '-.' else '-' for c in Path(source).name)}"
    number = 1
    while (root / f"{stem}-{number}").exists():
        number += 1
    return root / f"{stem}-{number}"


def versions() -> dict[str, str]:
    """Versions that numbers depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("pilothouse", "jax", "jaxlib", "equinox", "optax", "numpy", "gymnasium", "mujoco", "minari"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def train(
    algorithm: Bound,
    source: Source,
    *,
    steps: int | None = None,
    online_steps: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    episodes: int = 20,
    evaluations: int = 10,
    schedule: str = "constant",
    track: tuple[str, ...] = (),
    tell: Tell | None = None,
    command: str | None = None,
) -> Run:
    """Learn, with a folder. Seeds are `seed … seed + seeds - 1`; steps count per seed.

    A recipe that goes on from data in the world does `steps` updates on the data (as many as its setting `offline` says,
    if not given) and then `online_steps` environment steps. `schedule` names how learning rates change over the run (`constant`, `linear`, `cosine`). `tell` receives progress lines. Raises `NonFiniteError` when every seed has diverged, and `PilothouseError`s for
    whatever is wrong with the input; nothing is written before the input is known to be right.
    """
    for name, value in (("seeds", seeds), ("steps", steps), ("online_steps", online_steps)):
        if value is not None and value < 1:
            raise SettingError(f"{name}={value}; expected at least 1.")
    algorithm, counted = _lengths(algorithm, steps, online_steps)
    if episodes < 0 or evaluations < 1 or seed < 0:
        raise SettingError(
            f"episodes={episodes}, evaluations={evaluations}, seed={seed}; expected at least 0, 1 and 0."
        )
    folder = Path(out) if out is not None else default_folder(algorithm.name, source.name)
    stored = _stored_config(folder, resume=resume, overwrite=overwrite)
    session = open_session(algorithm, source, seeds=range(seed, seed + seeds), episodes=episodes, schedule=schedule)
    held = None
    try:
        plan = plan_for(session.machine, source, counted, evaluations=evaluations)
        lengths = {"steps": steps, "online_steps": online_steps}
        config = _config(algorithm, source, seeds, seed, plan, lengths, episodes, evaluations, schedule, command)
        if stored is not None:
            plan = _same_run(stored, config, plan, folder)
        held = lock(folder)
        if overwrite:
            _clear(folder)
        return _Folder(folder, algorithm, source, session, plan, tell or (lambda line: None), track).run(config, stored)
    finally:
        session.close()
        if held is not None:
            held.close()


def _lengths(algorithm: Bound, steps: int | None, online_steps: int | None) -> tuple[Bound, int]:
    """The recipe with its offline stage as long as `steps`, and what the plan counts."""
    name, takes = algorithm.name, algorithm.recipe.takes
    if takes is None or takes.source != "continued":
        if online_steps is not None:
            raise SettingError(
                f"Recipe {name!r} does not go on from data in a world, so --online-steps {online_steps} means nothing to "
                "it. Leave it out, or choose an offline-to-online recipe."
            )
        if steps is None:
            raise SettingError("No --steps. Say how long: environment steps online, gradient updates offline.")
        return algorithm, steps
    if online_steps is None:
        raise SettingError(
            f"Recipe {name!r} learns from data and goes on in the world. Say how long with --online-steps N."
        )
    if steps is None:
        return algorithm, online_steps
    if "offline" not in algorithm.settings:
        raise SettingError(
            f"Recipe {name!r} learns nothing before it goes online, so --steps {steps} means nothing to it; leave it out."
        )
    return algorithm.changed(offline=steps), online_steps


def _stored_config(folder: Path, *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """The config of the run to go on with; None for a run from the start."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; --out is a folder.")
    used = folder.is_dir() and any(p.name != ".lock" for p in folder.iterdir())
    if used and not (resume or overwrite):
        raise OutputError(
            f"{folder} is not empty. Use --resume to go on, --overwrite to start again, or another --out."
        )
    if used and resume:
        if not (folder / "config.json").is_file():
            raise OutputError(f"{folder} holds files, but no run of pilothouse. Choose another --out.")
        return read_json(folder / "config.json", "run config")
    return None


def _config(
    algorithm: Bound,
    source: Source,
    seeds: int,
    seed: int,
    plan: Plan,
    lengths: Mapping[str, int | None],
    episodes: int,
    evaluations: int,
    schedule: str,
    command: str | None,
) -> dict[str, Any]:
    return {
        "recipe": algorithm.name,
        "settings": dict(algorithm.settings),
        "source": source.describe(),
        "seeds": seeds,
        "seed": seed,
        **lengths,
        "episodes": episodes,
        "evaluations": evaluations,
        "schedule": schedule,
        "plan": asdict(plan),
        "command": command or " ".join(sys.argv),
        "versions": versions(),
    }


def _same_run(stored: Mapping[str, Any], config: dict[str, Any], plan: Plan, folder: Path) -> Plan:
    """The plan to go on with: stored borders, and more cycles if `steps` grew. Raises if anything else differs."""
    for name in ("recipe", "settings", "source", "seeds", "seed", "episodes", "evaluations", "schedule"):
        if stored.get(name) != config[name]:
            raise SettingError(
                f"{folder} was begun with {name}={stored.get(name)!r}, and now {name}={config[name]!r} was given. "
                "Resume with the same settings (--steps may grow), or choose another --out."
            )
    old = Plan(**stored["plan"])
    if plan.cycles < old.cycles:
        raise SettingError(
            f"{folder} was begun with {old.steps} steps; --resume with --steps {plan.steps} would shorten it."
        )
    if plan.cycles > old.cycles and config["schedule"] != "constant":
        raise SettingError(
            f"{folder} was begun with {old.steps} steps and --schedule {config['schedule']}, whose end those steps are. "
            "Resume with the same --steps."
        )
    return replace(old, cycles=plan.cycles, steps=plan.steps)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


class _Folder:
    """The life of one run in its folder."""

    def __init__(
        self,
        folder: Path,
        bound: Bound,
        source: Source,
        session: Session,
        plan: Plan,
        tell: Tell,
        track: tuple[str, ...],
    ):
        self.folder, self.bound, self.source, self.session = folder, bound, source, session
        self.plan, self.tell = plan, tell
        self.replay = ReplayFiles(folder / "replay")
        self.metrics = MetricsFile(folder / "metrics.jsonl")
        self.track, self.trackers = track, []
        self.began = time.perf_counter()
        self.before = 0.0
        self.final: dict[str, Any] = {}
        self.first_step = 0

    def run(self, config: dict[str, Any], stored: dict[str, Any] | None) -> Run:
        checkpoint = latest(self.folder / "checkpoints") if stored is not None else None
        if checkpoint is not None:
            self._go_on(checkpoint)
        elif stored is not None:
            self.metrics.cut(0)
            shutil.rmtree(self.folder / "replay", ignore_errors=True)
        unfinished = self.session.machine.done < self.plan.cycles
        if unfinished:
            self.trackers = trackers(self.track, self.folder, self.session.machine.lanes.seeds)
        write_json(self.folder / "config.json", config)
        if not unfinished:
            self._save_policies(missing=True)  # it may have been killed between the last checkpoint and the policies
            self.tell(f"{self.folder}: already finished.")
            return self._finished()
        try:
            with _Interrupts() as interrupts:
                self._interrupts = interrupts
                self.session.run(self.plan, self._at_border)
        finally:
            for tracker in self.trackers:
                tracker.close()
        self._save_policies()
        if self.session.diverged().all():
            raise NonFiniteError(
                f"Stopped: {'; '.join(self.session.fault_lines())}. The last finite policy is in {self.folder}/policy."
            )
        if interrupts.wished and self.session.machine.done < self.plan.cycles:
            raise Interrupted(f"Interrupted at step {self.session.step}; go on with --resume --out {self.folder}")
        return self._finished()

    def _go_on(self, checkpoint: Path) -> None:
        manifest = read_manifest(checkpoint)
        load_checkpoint(checkpoint, self.session.machine, self.replay)
        self.metrics.cut(int(manifest["metrics_bytes"]))
        self.before = float(manifest["timing"]["seconds"])
        self.final = manifest["final"]
        self.first_step = self.session.step
        self.tell(f"Resumed at step {self.session.step}.")
        if not manifest.get("replayed", True):
            self.tell("The simulator did not replay to the same observations: it goes on with its next episodes.")

    def _at_border(self, look: Look) -> bool:
        seeds = self.session.machine.lanes.seeds
        diverged = self.session.diverged()
        lines = []
        for lane, seed in enumerate(seeds):
            values = {name: float(metric[lane]) for name, metric in sorted(look.metrics.items())}
            if look.returns is not None:
                values["evaluation/return"] = float(np.mean(look.returns[lane]))
                values["evaluation/return_std"] = float(np.std(look.returns[lane]))
            line = {"step": look.step, "seed": seed, **values, "diverged": bool(diverged[lane])}
            lines.append(
                {**line, "timing": {"seconds": self.before + time.perf_counter() - self.began, "window": look.seconds}}
            )
            for tracker in self.trackers:
                tracker.write(look.step, seed, {name: v for name, v in values.items() if math.isfinite(v)})
        self.metrics.append(lines)
        if look.returns is not None:
            self.final = {"returns": look.returns.tolist()}
        self._report_progress(look)
        stop = bool(diverged.all()) or self._interrupts.wished
        if stop or self.plan.checkpoint_due(look.cycle):
            self._checkpoint(look.step)
        return not stop

    def _checkpoint(self, step: int) -> None:
        seconds = self.before + time.perf_counter() - self.began
        more = {"metrics_bytes": self.metrics.size(), "final": self.final, "timing": {"seconds": seconds}}
        save_checkpoint(self.folder / "checkpoints", step, self.session.machine, self.replay, more)
        for old in sorted((self.folder / "checkpoints").glob("[0-9]" * 12))[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def _report_progress(self, look: Look) -> None:
        elapsed = time.perf_counter() - self.began
        pace = (look.step - self.first_step) / max(elapsed, 1e-9)
        left = (self.plan.steps - look.step) / max(pace, 1e-9)
        number = ""
        if look.returns is not None:
            number = f"  return {np.mean(look.returns):.1f} (measured)"
        elif "episode/return" in look.metrics and np.isfinite(look.metrics["episode/return"]).any():
            number = f"  return {np.nanmean(look.metrics['episode/return']):.1f}"
        self.tell(f"step {look.step}/{self.plan.steps}{number}  {pace:.0f} steps/s  {left:.0f} s left")

    def _save_policies(self, *, missing: bool = False) -> None:
        for lane, seed in enumerate(self.session.machine.lanes.seeds):
            if missing and (self.folder / "policy" / f"seed-{seed}").is_dir():
                continue
            parts = self.session.policy_parts(lane)
            save_policy(
                self.folder / "policy" / f"seed-{seed}",
                self.bound,
                self.source.spec,
                self.source.scaling,
                parts,
                stack=getattr(self.source, "stack", 1),
            )

    def _finished(self) -> Run:
        seeds = list(self.session.machine.lanes.seeds)
        returns = self.final.get("returns")
        diverged = self.session.diverged()
        per_seed = [
            {"seed": seed, "return": float(np.mean(returns[i])) if returns else None, "diverged": bool(diverged[i])}
            for i, seed in enumerate(seeds)
        ]
        seconds = self.before + time.perf_counter() - self.began
        return Run(
            self.folder, self.bound.name, seeds, self.session.step, per_seed, seconds, {"returns": returns or []}
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a run folder. Raises `CheckpointError`."""
    config = read_json(folder / "config.json", "run config")
    if not isinstance(config, dict) or "recipe" not in config:
        raise CheckpointError(f"{folder}/config.json is not the config of a run.")
    return config
