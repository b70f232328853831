"""Open RL Benchmark: runs tracked whole, so that whoever has the folder can filter, aggregate, compare and repeat them.

Every run of `pilothouse train` writes what it was and what came of it. Here a folder of them is read, grouped by what is
asked for, and told: for each group its runs, seeds, the interquartile mean of final returns with an interval for their mean,
the mean over the curve, and for each two groups how likely a seed of the one is to end above a seed of the other.
`evaluate.archive.again` runs one of them anew from its stored config.

Source: Huang et al., "Open RL Benchmark: Comprehensive Tracked Experiments for Reinforcement Learning", arXiv:2402.03046.
Written from the abstract.
Departures: 1. The archive is a folder and not a tracking service: the paper's 25,000 runs are not fetched. 2. Runs are
filtered by recipe, source, setting or any field of the config. 3. Figures are those of `pilothouse view`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.archive import Archive, again, compare
from pilothouse.evaluate.benchmark import Benchmark
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import within
from pilothouse.recipes.online.dqn import dqn
from pilothouse.recipes.online.ppo import ppo
from pilothouse.train.resolve import world_source
from pilothouse.train.run import train


@recipe("open-rl-benchmark", takes=Takes(source="world", action=("Box", "Discrete"), masks=True))
def open_rl_benchmark(spec: Spec, *, by: str = "recipe", points: Count = 50) -> Benchmark:
    del spec  # of whatever the runs learned in
    names = tuple(name.strip() for name in by.split(","))

    def examine(
        archive: Archive | str | Path, *, seed: int = 0, where: Mapping[str, Any] | None = None
    ) -> Mapping[str, float | int]:
        """`archive`: runs, or a folder of them; `where`: what must hold of those that count."""
        del seed  # nothing is drawn
        held = archive if isinstance(archive, Archive) else Archive.read(archive)
        chosen = held.where(**(where or {}))
        said: dict[str, float | int] = {"runs": len(chosen.runs), "unread": len(chosen.unread)}
        measured = {}
        for key, group in chosen.by(*names).items():
            label = ", ".join(map(str, key))
            if any(len(steps) for run in group.runs for steps, _ in run.curves.values()):
                measured[label] = found = group.aggregate(points)
                said |= {
                    f"{label}/runs": found.runs,
                    f"{label}/seeds": len(found.final),
                    f"{label}/iqm": found.iqm,
                    f"{label}/curve": float(found.curves.mean()),
                }
                if found.interval.known:
                    said |= {f"{label}/low": found.interval.low, f"{label}/high": found.interval.high}
        labels = list(measured)
        for at, one in enumerate(labels):
            said |= {f"{one} above {other}": compare(measured[one], measured[other]) for other in labels[at + 1 :]}
        return said

    return Benchmark(examine, Archive())


STEPS, LOOKS = 4_096, 4
ARMS = {"ppo": ppo(lr=1e-3, length=64), "dqn": dqn(lr=1e-3, width=32, batch=32)}


def measure(seeds: Sequence[int]) -> Measured:
    """Final returns of each seed as its program had them, as the archive has them, and as its config gives them again."""
    place, first = world_source("cartpole"), min(seeds)
    if list(seeds) != list(range(first, first + len(seeds))):
        return _joined([measure([seed]) for seed in seeds])
    values: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "runs", Path(folder) / "again"
        for name, method in ARMS.items():
            run = train(method, place, steps=STEPS, seeds=len(seeds), seed=first, out=here / name, evaluations=LOOKS)
            values[f"{name}, lived"] = np.array([one["return"] for one in run.per_seed])
        archive = Archive.read(here)
        for name in ARMS:
            tracked = archive.where(recipe=name).runs[0]
            values[f"{name}, stored"] = np.array([curve[1][-1] for curve in tracked.curves.values()])
            again(tracked, place, there / name)
        repeated = Archive.read(there)
        for name in ARMS:
            pairs = zip(
                archive.where(recipe=name).runs[0].curves.values(),
                repeated.where(recipe=name).runs[0].curves.values(),
                strict=True,
            )
            values[f"{name}, apart"] = np.array([np.abs(one[1] - other[1]).max() for one, other in pairs])
    return Measured({**values, "nought": np.zeros(len(seeds))})


def _joined(parts: Sequence[Measured]) -> Measured:
    return Measured({arm: np.concatenate([np.asarray(one.values[arm]) for one in parts]) for arm in parts[0].values})


CLAIM = Claim(
    recipe="open-rl-benchmark",
    statement=(
        "What runs came to is known from their folder alone: the returns that it stores are those that were lived, and a run "
        "made anew from its stored config has the same returns at every look."
    ),
    basis="ours",
    source="abstract",
    measure=measure,
    relations=(
        *(within(f"{name}, stored", f"{name}, lived", 1e-3) for name in ARMS),
        *(within(f"{name}, apart", "nought", 1e-6) for name in ARMS),
    ),
    unit={
        **{f"{name}, {what}": "final return (CartPole)" for name in ARMS for what in ("stored", "lived")},
        **dict.fromkeys(
            [*(f"{name}, apart" for name in ARMS), "nought"], "largest difference of returns over the looks"
        ),
    },
    settings={"ppo": dict(ARMS["ppo"].settings), "dqn": dict(ARMS["dqn"].settings), "steps": STEPS, "looks": LOOKS},
    tried={"ppo": ["as it stands"], "dqn": ["as it stands"]},
    seeds=8,
    notes=(
        "All seeds of a method are one run. Both runs of a config are made on the machine that measures: another one may round "
        "otherwise. What is stored is the mean of float32 returns, and agrees with the program's to their rounding. Nothing was "
        "tuned; runs of 256 steps of seeds 0 and 1 were looked at to see that it works. Which method learns faster here is "
        "not asserted."
    ),
)
