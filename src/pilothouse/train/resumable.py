"""Learning in memory with checkpoints in a folder: lanes of one program that a killed process goes on with.

Less than a run (`run.py`): no metrics, no policies, no measuring; for whatever learns as one step of something larger.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pilothouse.core.errors import SettingError
from pilothouse.train.checkpoint import ReplayFiles, latest, load_checkpoint, read_manifest, save_checkpoint
from pilothouse.train.run import Interrupted, Tell, _Interrupts
from pilothouse.train.session import Look, Session, plan_for

CHECKPOINTS = 10
QUIET = 2.0
"""Seconds between two lines of progress, at least."""


@dataclass(frozen=True)
class Learned:
    """`seconds` of learning, those of killed processes up to their last checkpoint included; `steps` of each lane."""

    seconds: float
    steps: int


def learn_in(folder: Path, session: Session, *, steps: int, tell: Tell) -> Learned:
    """Bring a session that has learned nothing to its end, going on from the newest checkpoint in `folder`.

    `tell` is given a line of progress now and then. Raises `Interrupted` after a checkpoint, where
    the user wished so.
    """
    plan = plan_for(session.machine, session.source, steps, evaluations=CHECKPOINTS, logs=2 * CHECKPOINTS)
    replay = ReplayFiles(folder / "replay")
    session.machine.total_cycles = plan.cycles
    newest, before = latest(folder), 0.0
    if newest is not None:
        manifest = read_manifest(newest)
        if list(manifest["seeds"]) != list(session.machine.lanes.seeds) or int(manifest["cycle"]) > plan.cycles:
            raise SettingError(f"{newest} belongs to another comparison; choose another --out.")
        load_checkpoint(newest, session.machine, replay)
        before = float(manifest["timing"]["seconds"])
    began = time.perf_counter()
    compiled: list[
        tuple[float, int]
    ] = []  # when the first border was reached, which waited for the compiler, and where
    told = [0.0]

    def seconds() -> float:
        return before + time.perf_counter() - began

    def at_border(look: Look) -> bool:
        stop = bool(session.diverged().all())
        if stop or interrupts.wished or plan.due(plan.checkpoint_every, look.cycle):
            save_checkpoint(folder, look.step, session.machine, replay, {"timing": {"seconds": seconds()}})
            for old in sorted(folder.glob("[0-9]" * 12))[:-1]:
                shutil.rmtree(old, ignore_errors=True)
        now = time.perf_counter()
        if not compiled:
            compiled.append((now, look.step))
        elif now - told[0] > QUIET or look.cycle >= plan.cycles:
            told[0] = now
            pace = (look.step - compiled[0][1]) / max(now - compiled[0][0], 1e-9)
            left = (plan.steps - look.step) / max(pace, 1e-9)
            tell(f"update {look.step:,} of {plan.steps:,}  {pace:.0f} updates/s of each seed  {left:.0f} s left")
        return not (stop or interrupts.wished)

    with _Interrupts() as interrupts:
        session.run(plan, at_border)
    if interrupts.wished and session.machine.done < plan.cycles:
        raise Interrupted(f"Interrupted at update {session.step:,}; go on with --resume.")
    return Learned(seconds(), session.step)
