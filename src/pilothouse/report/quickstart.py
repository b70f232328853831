"""The main job: learn online in a real simulator, record, learn offline by three methods, compare, and report.

`InvertedDoublePendulum-v5` is MuJoCo physics that SAC learns within a minute on two cores, from a return near 50 at
random to thousands: time enough remains for fifteen offline runs.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.batch import Batch
from pilothouse.core.errors import OutputError
from pilothouse.core.spaces import from_unit
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.data.minari_write import write_minari
from pilothouse.data.quality import quality
from pilothouse.evaluate.fitted_q import fitted_q
from pilothouse.policies.policy import Policy
from pilothouse.report.quickstart_data import (
    DatasetQuality,
    Estimate,
    Level,
    MethodResult,
    OffPolicyEstimate,
    OnlineRun,
    QuickstartData,
)
from pilothouse.report.quickstart_report import write_quickstart_report
from pilothouse.report.verdict import verdict
from pilothouse.rollout.collect import act, fresh_carries
from pilothouse.statistics import Interval, interquartile_mean, mean, mean_interval, stratified_bootstrap_interval
from pilothouse.train.evaluation import HELD_OUT, acting_parts, evaluation, in_source_units, random_returns
from pilothouse.train.run import default_folder, lock, versions
from pilothouse.train.session import Session, learn, open_session, plan_for
from pilothouse.train.sources import DataSource, SimulatorSource
from pilothouse.train.storage import write_json

ENVIRONMENT = "InvertedDoublePendulum-v5"
EPISODES = 20
FACTOR = 3.0
WARMUP = 1_000
LOOK = 1_000
"""Environment steps between two looks at the online policy."""
LEAST, MOST = 16_000, 25_000
"""Online steps: at least so many, so that the record holds good episodes too; at most so many, to keep the time."""
UPDATES = 8_000
LOOKS_OFFLINE = 4
SEEDS = 5
METHODS = (("BC", "bc"), ("TD3+BC", "td3bc"), ("IQL", "iql"))
DISCOUNT = 0.99

Tell = Callable[[str], None]


def run_quickstart(out: Path | None, *, seed: int, tell: Tell) -> dict[str, Any]:
    """Do it all into `out`; the last line told is the path of the report. Returns the `--json` document."""
    folder = out or default_folder("quickstart", ENVIRONMENT)
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} is not empty; choose another --out.")
    held = lock(folder)
    try:
        return _job(folder, seed, tell)
    finally:
        held.close()
        (folder / ".lock").unlink(missing_ok=True)


def _job(folder: Path, seed: int, tell: Tell) -> dict[str, Any]:
    from pilothouse.worlds.rendering import rendering_backend

    rendering = rendering_backend()  # before MuJoCo is imported: it chooses its renderer then
    place, clock = SimulatorSource(ENVIRONMENT), _Stages()
    tell(f"1/5  learning online: SAC in {ENVIRONMENT}, until 95% of the interval is above {FACTOR:g} × random")
    random = random_returns(place, episodes=EPISODES)
    session, online = _learn_online(place, random, seed, tell)
    clock.stage("learning online")
    tell("2/5  recording its experience as a Minari dataset")
    dataset, levels = _record(session, place, folder)
    best = max(float(np.mean(look.returns)) for look in session.looks if look.returns is not None)
    about = _quality(dataset, levels, folder, random, best)
    clock.stage("recording")
    tell(f"3/5  learning offline: {', '.join(label for label, _ in METHODS)}, {SEEDS} seeds each in one program")
    source = DataSource(dataset, place)
    learned = [(label, name, *_learn_offline(name, source, tell)) for label, name in METHODS]
    clock.stage("learning offline")
    tell("4/5  estimating by fitted Q, from the data alone")
    methods = [_result(label, name, run, seconds, source, dataset) for label, name, run, seconds in learned]
    clock.stage("off-policy estimates")
    tell("5/5  filming and writing the report")
    best_method = max(range(len(methods)), key=lambda i: float(methods[i].mean.value))
    frames, caption, none = _film(learned[best_method][2], methods[best_method], source, rendering.reason)
    clock.stage("filming")
    data = QuickstartData(
        environment=ENVIRONMENT,
        command=f"pilothouse quickstart --seed {seed}",
        online=online,
        dataset=about,
        methods=methods,
        held_out_episodes=EPISODES,
        versions=versions(),
        machine={"processor": platform.machine(), "cores": str(os.cpu_count()), "system": platform.system()},
        discount=DISCOUNT,
        stages=clock.stages,
        frames=frames,
        video_caption=caption,
        no_video=none,
    )
    if none:
        tell(none)
    page = write_quickstart_report(folder / "report.html", data).resolve()
    document = _document(page, data)
    write_json(folder / "results.json", document)
    for method in methods:
        tell(f"  {method.label:8} mean {float(method.mean.value):9.1f}  95% {method.mean.interval}")
    tell(verdict(data).headline)
    tell(str(page))
    return document


class _Stages:
    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.stages[name], self._last = now - self._last, now


def _learn_online(place: SimulatorSource, random: np.ndarray, seed: int, tell: Tell) -> tuple[Session, OnlineRun]:
    bound = load_recipe("sac")(width=64, warmup=WARMUP, capacity=MOST, lr=1e-3)
    session = open_session(bound, place, seeds=[seed], episodes=EPISODES)
    mark, began = FACTOR * float(random.mean()), time.perf_counter()

    def at_border(look: Any) -> bool:
        interval = mean_interval(look.returns[0])
        tell(f"  step {look.step:6}  return {look.returns.mean():8.1f}  95% {interval}  (mark {mark:.0f})")
        return not (interval.above(mark) and look.step >= LEAST)

    plan = plan_for(session.machine, place, MOST, evaluations=MOST // LOOK, logs=MOST // LOOK)
    try:
        session.run(plan, at_border)
    finally:
        session.close()
    final = session.final_returns()[0]
    online = OnlineRun(
        recipe="sac",
        steps=np.array([look.step for look in session.looks]),
        returns=np.stack([look.returns[0] for look in session.looks if look.returns is not None]),
        random=_mean_estimate(random),
        final=_mean_estimate(final),
        environment_steps=session.step,
        seconds=time.perf_counter() - began,
        factor=FACTOR,
        final_episodes=EPISODES,
    )
    return session, online


def _mean_estimate(returns: np.ndarray) -> Estimate:
    return Estimate(float(np.mean(returns)), mean_interval(returns))


def _record(session: Session, place: SimulatorSource, folder: Path) -> tuple[Dataset, dict[str, np.ndarray]]:
    """The replay memory, as it was lived, in whole episodes. Levels by when an episode began."""
    ring = jax.tree.map(lambda x: np.asarray(x[0]), session.machine.state.parts["replay"])
    count = int(ring.added)
    rows: Batch = jax.tree.map(lambda x: x[:count], ring.rows)
    ended = np.flatnonzero(rows.terminated | rows.truncated)
    whole = int(ended[-1]) + 1
    rows = jax.tree.map(lambda x: x[:whole], rows)
    spec = place.spec
    rows = rows.replace(action=np.asarray(from_unit(spec.action, rows.action), np.float32))
    text = f"All experience of one SAC run in {ENVIRONMENT}: random at first, then mixed, then late in training."
    dataset = dataset_from_transitions(rows, spec, name="experience-v0", env_id=ENVIRONMENT, description=text)
    write_minari(folder / "experience-v0", dataset, algorithm_name="SAC")
    late = WARMUP + (whole - WARMUP) // 2
    starts = np.asarray(dataset.starts)
    return dataset, {"random": starts < WARMUP, "mixed": (starts >= WARMUP) & (starts < late), "late": starts >= late}


def _quality(
    dataset: Dataset, levels: Mapping[str, np.ndarray], folder: Path, random: np.ndarray, best: float
) -> DatasetQuality:
    import minari

    opened = minari.MinariDataset(folder / "experience-v0" / "data")
    if opened.total_steps != len(dataset):
        raise OutputError(f"Minari counts {opened.total_steps} steps in the recorded dataset, and we {len(dataset)}.")
    numbers = quality(dataset, lowest=float(random.mean()), highest=best, reference=dataset)
    returns, lengths = np.asarray(dataset.returns), np.asarray(dataset.lengths)
    return DatasetQuality(
        name=dataset.name,
        levels=[Level(name, returns[which], int(lengths[which].sum())) for name, which in levels.items()],
        mean=_mean_estimate(returns),
        fingerprint=dataset.fingerprint,
        path=str((folder / "experience-v0").resolve()),
        trajectory_quality=numbers["tq"],
        state_action_coverage=None,  # the data are their own reference here: 1 by definition, and so not worth a row
        opened_by=f"minari {minari.__version__}",
    )


def _learn_offline(name: str, source: DataSource, tell: Tell) -> tuple[Session, float]:
    bound = load_recipe(name)(width=128)
    run = learn(bound, source, steps=UPDATES, seeds=range(SEEDS), episodes=EPISODES, evaluations=LOOKS_OFFLINE)
    first, *rest = run.looks
    seconds = sum(look.seconds for look in rest) * len(run.looks) / max(1, len(rest))  # the first look compiled
    tell(f"  {name:6} {UPDATES} updates × {SEEDS} seeds: mean return {run.final_returns().mean():.1f}")
    return run, seconds


def _result(label: str, name: str, run: Session, seconds: float, source: DataSource, dataset: Dataset) -> MethodResult:
    returns = run.final_returns()
    measured = [look for look in run.looks if look.returns is not None]
    estimate = fitted_q(
        run.build,
        source.spec,
        source.fixed()["data"],
        dataset.starts,
        acting_parts(run.machine.state.parts),
        run.machine.floats,
        updates=2_000,
        discount=DISCOUNT,
    )
    doubt = estimate.doubt()
    assert source.evaluation is not None
    discounted = evaluation(run.build, source.evaluation, source.scaling, episodes=EPISODES, discount=DISCOUNT)
    earned = discounted(run.machine.state.parts, run.machine.floats).mean(axis=1)
    diverged = run.diverged()
    return MethodResult(
        label=label,
        recipe=name,
        seeds=list(run.machine.lanes.seeds),
        returns=returns.mean(axis=1),
        iqm=Estimate(float(interquartile_mean(returns)), _over_seeds(returns, interquartile_mean)),
        mean=Estimate(float(returns.mean()), _over_seeds(returns, mean)),
        updates=run.machine.updates,
        seconds=seconds,
        fqe=OffPolicyEstimate(
            _mean_estimate(estimate.values), not doubt, measured=_mean_estimate(earned), reason=doubt
        ),
        curve_steps=np.array([look.step for look in measured]),
        curve_returns=np.stack([look.returns.mean(axis=1) for look in measured if look.returns is not None], axis=1),
        diverged=[seed for seed, bad in zip(run.machine.lanes.seeds, diverged, strict=True) if bad],
    )


def _over_seeds(returns: np.ndarray, statistic: Any) -> Interval:
    return stratified_bootstrap_interval(returns, statistic, resamples=2_000)


def _film(run: Session, method: MethodResult, source: DataSource, reason: str) -> tuple[list[np.ndarray], str, str]:
    """Frames of one episode of the best method's best seed; or the reason why there are none."""
    if reason:
        return [], "", reason
    lane = int(np.argmax(method.returns))
    parts = jax.tree.map(lambda x: x[lane], acting_parts(run.machine.state.parts))
    floats = {name: values[lane] for name, values in run.machine.floats.items()}
    policy = in_source_units(run.build(floats).acts(parts), source.spec, source.scaling)
    from pilothouse.worlds.host import GymnasiumWorld

    try:
        world = GymnasiumWorld(ENVIRONMENT, 1, render_mode="rgb_array")
        frames, total = _frames(policy, world)
        world.close()
    except Exception as fault:  # a renderer may fail in ways of its own; the report does without
        return [], "", f"rendering failed ({type(fault).__name__}: {fault}); the video is left out"
    return frames, f"{method.label}, seed {method.seeds[lane]}: one held-out episode, return {total:.0f}.", ""


def _frames(policy: Policy, world: Any, longest: int = 300) -> tuple[list[np.ndarray], float]:
    key = jax.random.key(0)
    decide = jax.jit(lambda policy, obs, carry: act(policy, obs, carry, key, each=False)[:2])
    obs, carry = world.reset([0], [HELD_OUT]), fresh_carries(policy, (), 1, key, each=False)
    frames, total = [], 0.0
    for step in range(longest):
        if step % 2 == 0:
            frames.append(np.asarray(world.render(0))[::2, ::2])
        action, carry = decide(policy, obs, carry)
        outcome = world.step(np.asarray(action))
        obs, total = outcome["next_obs"], total + float(outcome["reward"][0])
        if outcome["terminated"][0] or outcome["truncated"][0]:
            break
    return frames, total


def _document(page: Path, data: QuickstartData) -> dict[str, Any]:
    def told(estimate: Estimate) -> dict[str, Any]:
        interval = estimate.interval
        return {"value": float(estimate.value), "interval": interval.to_json() if interval is not None else None}

    return {
        "report": str(page),
        "environment": data.environment,
        "online": {
            "steps": data.online.environment_steps,
            "random": told(data.online.random),
            "final": told(data.online.final),
            "passed": data.online.passed,
        },
        "dataset": {
            "path": data.dataset.path,
            "transitions": data.dataset.transitions,
            "episodes": data.dataset.episodes,
            "mean": told(data.dataset.mean),
            "fingerprint": data.dataset.fingerprint,
        },
        "methods": [
            {
                "recipe": method.recipe,
                "returns": [float(r) for r in np.asarray(method.returns)],
                "iqm": told(method.iqm),
                "mean": told(method.mean),
                "fqe": told(method.fqe.value) | {"trusted": method.fqe.trusted, "reason": method.fqe.reason}
                if method.fqe
                else None,
            }
            for method in data.methods
        ],
        "seconds": {name: float(seconds) for name, seconds in data.stages.items()},
    }
