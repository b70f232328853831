"""`compare`: which of these methods to trust on this data.

Every method learns with all its seeds (and, when tuning, settings) as lanes of one program; fitted Q says from held-out
episodes what each policy is worth and whether that is to be believed; an environment, where there is one, measures it.
What is finished is kept in small files, so that a comparison killed anywhere goes on from there:

config.json        what is compared: nothing else may be resumed into this folder
pace.json          how fast each method learns here, the steps that were decided on, the estimated seconds
methods/<recipe>/  checkpoints of learning; learned.json, returns.json, fitted-q.json
policies/<recipe>/seed-<s>/
comparison.json    the answer
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.recipe import Bound
from pilothouse.core.errors import SettingError
from pilothouse.data.diagnosis import Diagnosis, diagnose
from pilothouse.evaluate.bandit_tuning import Tuned, tune_by_bandit
from pilothouse.evaluate.departure import Departure, Neighbourhoods
from pilothouse.evaluate.held_out_q import OfflineEstimate, Split, evaluate_offline, split_rows
from pilothouse.evaluate.recommendation import Candidate, Recommendation, recommend
from pilothouse.evaluate.tuning_grids import grid_for, lanes, settings_of_grid
from pilothouse.statistics import interquartile_mean, probability_of_improvement
from pilothouse.statistics.interval import unknown_interval
from pilothouse.train.evaluation import evaluation
from pilothouse.train.groups import Groups
from pilothouse.train.policy_files import read_by_acting, save_policy
from pilothouse.train.resumable import Learned, learn_in
from pilothouse.train.run import Tell, default_folder
from pilothouse.train.session import Session, builder
from pilothouse.train.sources import DataSource
from pilothouse.train.storage import read_json, write_json
from pilothouse.train.work_folder import kept, work_folder

STEPS = 10_000
DISCOUNT = 0.99
LONG = 600.0
"""Seconds; a comparison estimated to take longer says so first."""
WORTH_MEASURING = 20_000
"""Updates in all from which the pace is measured before anything starts."""


@dataclass(frozen=True)
class Plan:
    """What a comparison is to do. `steps` is None until a budget has decided it; `budget` in seconds."""

    steps: int | None = STEPS
    seeds: int = 5
    seed: int = 0
    budget: float | None = None
    tune: bool = False
    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tuned_on: int = 50
    episodes: int = 20
    fitted_updates: int = 10_000

    def check(self) -> None:
        """Raises `SettingError` for numbers out of range."""
        for name in ("steps", "seeds", "tuned_on", "fitted_updates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name.replace('_', '-')}={value}; expected at least 1.")
        if self.seed < 0 or self.episodes < 1:
            raise SettingError(f"seed={self.seed}, episodes={self.episodes}; expected at least 0 and 1.")
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget > 0):
            raise SettingError(f"budget={self.budget}; expected some seconds, such as 1800.")


@dataclass(frozen=True)
class Outcome:
    """What one method came to. Lanes are settings times seeds; `shown` are those of the setting that was chosen.

    - `returns`: `[lane, episode]`, None without an environment; `estimate`: by lane; `doubts`: `[lane]`.
    - `diverged`: `[lane]`; `faults`: which objective failed and when.
    - `seconds`: of `learning`, `measuring`, `estimating`.
    """

    recipe: str
    settings: Mapping[str, Any]
    tried: Sequence[Mapping[str, float]]
    seeds: Sequence[int]
    shown: Sequence[int]
    steps: int
    returns: np.ndarray | None
    estimate: OfflineEstimate
    doubts: Sequence[str]
    diverged: Sequence[bool]
    faults: Sequence[str]
    tuned: Tuned | None
    seconds: Mapping[str, float]

    @property
    def chosen(self) -> Mapping[str, float]:
        """The setting that was tuned to; empty without tuning."""
        return self.tried[self.shown[0] // len(self.seeds)] if len(self.tried) > 1 else {}

    def candidate(self) -> Candidate:
        broken = "every seed diverged" if all(self.diverged[i] for i in self.shown) else ""
        shown = list(self.shown)
        return Candidate(
            self.recipe,
            returns=None if self.returns is None else self.returns[shown],
            tuned=self.tuned,
            values=self.estimate.values[shown],
            doubts=[self.doubts[i] for i in shown],
            broken=broken,
        )

    def per_seed(self) -> list[dict[str, Any]]:
        """One row a seed, of the setting that is shown."""
        rows = []
        for seed, lane in zip(self.seeds, self.shown, strict=True):
            value = float(self.estimate.values[lane].mean())
            rows.append(
                {
                    "seed": seed,
                    "return": None if self.returns is None else float(self.returns[lane].mean()),
                    "estimate": value if math.isfinite(value) else None,
                    "outside": float(self.estimate.departure.outside[lane]),
                    "doubt": self.doubts[lane],
                    "diverged": bool(self.diverged[lane]),
                }
            )
        return rows

    def as_json(self) -> dict[str, Any]:
        candidate = self.candidate()
        values = Candidate(self.recipe, values=candidate.values, doubts=candidate.doubts)
        estimate = values.score
        measured = None
        if candidate.returns is not None:
            mine = Candidate(self.recipe, returns=candidate.returns)
            measured = {"iqm": mine.score, "interval": mine.interval().to_json()}
        tuned = None
        if self.tuned is not None:
            tuned = {"episodes": self.tuned.episodes, "return": self.tuned.score}
            tuned |= {"interval": self.tuned.interval().to_json(), "settings": dict(self.chosen)}
        return {
            "recipe": self.recipe,
            "settings": {**self.settings, **self.chosen},
            "steps": self.steps,
            "per_seed": self.per_seed(),
            "return": measured,
            "tuned": tuned,
            "fqe": {
                "estimate": estimate if math.isfinite(estimate) else None,
                "interval": (values.interval() if math.isfinite(estimate) else unknown_interval(0.95)).to_json(),
                "trusted": values.trusted,
                "reason": values.doubt,
                "rows": self.estimate.rows,
            },
            "seconds": sum(self.seconds.values()),
            "diverged": any(self.diverged[i] for i in self.shown),
            "faults": list(self.faults),
        }


@dataclass(frozen=True)
class Comparison:
    """All of it. `reference` is the mean discounted return of the held-out episodes as recorded."""

    folder: Path
    source: DataSource
    plan: Plan
    steps: int
    outcomes: Sequence[Outcome]
    recommendation: Recommendation
    diagnosis: Diagnosis
    reference: float
    seconds: float
    estimated_seconds: float | None
    command: str = ""

    @property
    def place(self) -> str:
        """Where policies were measured; empty where nowhere."""
        return self.source.evaluation.name if self.source.evaluation is not None else ""

    def improvement(self) -> dict[str, dict[str, float]]:
        """By pairs of methods: the probability that a run of the first returns more than one of the second."""
        means = {o.recipe: o.returns[list(o.shown)].mean(axis=1) for o in self.outcomes if o.returns is not None}
        return {a: {b: probability_of_improvement(x, y) for b, y in means.items() if b != a} for a, x in means.items()}

    def rank_agreement(self) -> float | None:
        """Spearman's correlation of estimates with measured returns over all policies; None where it is not known."""
        pairs = [
            (o.estimate.values[i].mean(), o.returns[i].mean())
            for o in self.outcomes
            if o.returns is not None
            for i in range(len(o.returns))
        ]
        found = np.asarray([pair for pair in pairs if np.isfinite(pair).all()])
        if len(found) < 3 or (np.ptp(found, axis=0) == 0).any():
            return None
        from scipy.stats import spearmanr

        return float(spearmanr(found[:, 0], found[:, 1]).statistic)  # pyright: ignore

    def as_json(self) -> dict[str, Any]:
        return {
            "run": str(self.folder),
            "data": self.source.name,
            "fingerprint": self.source.dataset.fingerprint,
            "env": self.place or None,
            "steps": self.steps,
            "seeds": self.plan.seeds,
            "episodes": self.plan.episodes if self.place else None,
            "budget": self.plan.budget,
            "methods": [outcome.as_json() for outcome in self.outcomes],
            "improvement": self.improvement(),
            "rank_agreement": self.rank_agreement(),
            "suits": [{"family": family, "reason": reason} for family, reason in self.diagnosis.suits],
            "recommendation": self.recommendation.as_json(),
            "seconds": self.seconds,
        }


def compare(
    recipes: Sequence[Bound],
    source: DataSource,
    plan: Plan,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
    command: str = "",
) -> Comparison:
    """Compare these methods on this dataset, in `out` (`runs/compare-<data>-<n>`).

    Raises `PilothouseError`s for whatever is wrong with the input, before anything is written; `Interrupted` after a
    checkpoint where the user wished so. A method that diverges is part of the answer and stops no other.
    """
    plan.check()
    _check(recipes, source, plan)
    folder = Path(out) if out is not None else default_folder("compare", source.name)
    config, say = _config(recipes, source, plan), tell or (lambda line: None)
    with work_folder(folder, "compare", config, resume=resume, overwrite=overwrite, command=command):
        if (folder / "comparison.json").is_file():
            say(f"{folder}: already finished.")
        try:
            return _Work(folder, recipes, source, plan, say, command).all()
        except SettingError:
            if not (folder / "pace.json").is_file():  # refused before anything was begun: a budget too small
                (folder / "config.json").unlink(missing_ok=True)
            raise


def _check(recipes: Sequence[Bound], source: DataSource, plan: Plan) -> None:
    names = [bound.name for bound in recipes]
    if not names:
        raise SettingError("No methods. Name some: `pilothouse compare iql td3bc --data PATH`.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SettingError(f"{twice!r} is named twice; `--tune --grid` tries several settings of one method.")
    source.dataset.require("a comparison")
    for bound in recipes:
        builder(bound, source)(bound.floats)
        grid_for(bound, plan.grid)


def _config(recipes: Sequence[Bound], source: DataSource, plan: Plan) -> dict[str, Any]:
    grid = {name: list(values) for name, values in plan.grid.items()}
    return {
        "recipes": {bound.name: dict(bound.settings) for bound in recipes},
        "source": source.describe(),
        "plan": {**asdict(plan), "grid": grid},
    }


class _Work:
    """The life of one comparison in its folder."""

    def __init__(
        self, folder: Path, recipes: Sequence[Bound], source: DataSource, plan: Plan, tell: Tell, command: str
    ):
        self.folder, self.recipes, self.source, self.plan = folder, list(recipes), source, plan
        self.tell, self.command = tell, command
        self.seeds = list(range(plan.seed, plan.seed + plan.seeds))
        self.tried = {
            bound.name: settings_of_grid(grid_for(bound, plan.grid)) if plan.tune else [{}] for bound in recipes
        }
        self.groups: dict[str, Groups] = {}
        self.steps, self.estimated = plan.steps or 0, None
        self.width = max([256 if "width" not in b.settings else int(b.settings["width"]) for b in recipes])
        self._split: Split | None = None
        self._near: Neighbourhoods | None = None
        self.began = time.perf_counter()
        self.done_units = self.all_units = 0.0

    # ------------------------------------------------------------------------------------------------------- all of it

    def all(self) -> Comparison:
        self._decide_steps()
        outcomes = []
        lane_count = sum(len(self.tried[bound.name]) for bound in self.recipes) * len(self.seeds)
        self.all_units = float(lane_count * (self.steps + self.plan.fitted_updates))
        for number, bound in enumerate(self.recipes):
            outcomes.append(self._method(bound, f"[{number + 1}/{len(self.recipes)}] {bound.name}"))
            self.groups.pop(bound.name, None)
        place = self.source.evaluation.name if self.source.evaluation is not None else ""
        found = recommend(
            [outcome.candidate() for outcome in outcomes], place=place, known_place=self.source.dataset.env_id or ""
        )
        seconds = sum(sum(outcome.seconds.values()) for outcome in outcomes)
        comparison = Comparison(
            self.folder,
            self.source,
            self.plan,
            self.steps,
            outcomes,
            found,
            diagnose(self.source.dataset),
            self.split.reference,
            seconds,
            self.estimated,
            self.command,
        )
        write_json(self.folder / "comparison.json", comparison.as_json())
        return comparison

    @property
    def split(self) -> Split:
        if self._split is None:
            rows = self.source.fixed()["data"]
            self._split = split_rows(rows, np.asarray(self.source.dataset.starts), discount=DISCOUNT)
        return self._split

    @property
    def near(self) -> Neighbourhoods:
        if self._near is None:
            unit = self.source.spec.unit()
            self._near = Neighbourhoods(unit.obs, unit.action, self.split.rows)
        return self._near

    def group(self, bound: Bound) -> Groups:
        if bound.name not in self.groups:
            seeds, floats = lanes(self.tried[bound.name], self.seeds)
            steps = None if self.plan.budget is not None else self.plan.steps
            self.groups[bound.name] = Groups.open(bound, self.source, seeds=seeds, floats=floats, steps=steps)
        return self.groups[bound.name]

    # ------------------------------------------------------------------------------------------------ how long, how much

    def _decide_steps(self) -> None:
        """The number of updates, from the folder where it was decided before; measures the pace where that matters."""
        decided = self.folder / "pace.json"
        if decided.is_file():
            found = read_json(decided, "comparison's pace")
            self.steps, self.estimated = int(found["steps"]), found["seconds"]
            return
        lane_count = {bound.name: len(self.tried[bound.name]) * len(self.seeds) for bound in self.recipes}
        total = sum(lane_count.values()) * (self.plan.steps or 0)
        paces: dict[str, float] = {}
        if self.plan.budget is not None or total >= WORTH_MEASURING:
            for bound in self.recipes:
                paces[bound.name] = measure_pace(self.group(bound))
                self.tell(f"{bound.name}: {paces[bound.name]:.0f} updates/s, {lane_count[bound.name]} lanes together")
            each = sum(lane_count[name] / pace for name, pace in paces.items())
            fitting = sum(lane_count.values()) * self.plan.fitted_updates / max(paces.values())
            if self.plan.budget is not None:
                self.steps = self._bought(each, fitting)
            self.estimated = each * self.steps + fitting
            if self.estimated > LONG or self.plan.budget is not None:
                self.tell(f"Estimated: {self.estimated / 60:.0f} minutes, and what measuring takes.")
        write_json(decided, {"steps": self.steps, "seconds": self.estimated, "updates_per_second": paces})

    def _bought(self, each: float, fitting: float) -> int:
        """How many updates of every method the budget pays for: a tenth is kept for compiling and measuring."""
        assert self.plan.budget is not None
        left = 0.9 * self.plan.budget - fitting
        if left < each:
            raise SettingError(
                f"A budget of {self.plan.budget:.0f} s does not pay for one update of each method beside fitted Q "
                f"(about {fitting:.0f} s). Give at least {1.2 * (fitting + 100 * each):.0f} s, or fewer "
                "--fqe-updates, --seeds or methods."
            )
        steps = int(left / each)
        steps = int(f"{steps:.2g}".split("e")[0]) if steps < 100 else round(steps, 2 - len(str(steps)))
        steps = min(steps, self.plan.steps) if self.plan.steps is not None else steps
        self.tell(
            f"{self.plan.budget:.0f} s buy {steps:,} updates of each seed of each method, and "
            f"{self.plan.fitted_updates:,} of fitted Q for each policy."
        )
        return steps

    def _progress(self, title: str) -> Tell:
        return lambda line: self.tell(f"{title}: {line}")

    def _count(self, units: float, worked: bool) -> None:
        """Note that so much is finished; what was found finished says nothing about the time left."""
        if not worked:
            self.all_units -= units
            return
        self.done_units += units
        left = (time.perf_counter() - self.began) * (self.all_units - self.done_units) / max(self.done_units, 1.0)
        if left > 1:
            self.tell(f"about {left / 60:.1f} minutes left in all" if left > 90 else f"about {left:.0f} s left in all")

    # ---------------------------------------------------------------------------------------------------- one method

    def _method(self, bound: Bound, title: str) -> Outcome:
        """Learn, measure, estimate; each taken from its file where it was finished before."""
        folder = self.folder / "methods" / bound.name
        tried, count = self.tried[bound.name], len(self.tried[bound.name]) * len(self.seeds)
        learned = self._kept(folder / "learned.json", lambda: self._learn(bound, folder, title), count * self.steps)
        returns = None
        if self.source.evaluation is not None:
            returns = self._kept(folder / "returns.json", lambda: self._measure(bound, folder, title), 0)
        fitted = self._kept(
            folder / "fitted-q.json", lambda: self._estimate(bound, folder, title), count * self.plan.fitted_updates
        )
        estimate = _estimate_from(fitted["estimate"])
        doubts = [estimate.doubt(lane) for lane in range(count)]
        found = None if returns is None else np.asarray(returns["returns"], np.float64)
        tuned = self._tuned(found) if self.plan.tune and found is not None else None
        setting = _chosen(tuned, estimate, doubts, len(self.seeds), len(tried))
        seconds = {"learning": learned["seconds"], "estimating": fitted["seconds"]}
        if returns is not None:
            seconds["measuring"] = returns["seconds"]
        return Outcome(
            recipe=bound.name,
            settings=dict(bound.settings),
            tried=tried,
            seeds=self.seeds,
            shown=[setting * len(self.seeds) + i for i in range(len(self.seeds))],
            steps=learned["steps"],
            returns=found,
            estimate=estimate,
            doubts=doubts,
            diverged=learned["diverged"],
            faults=learned["faults"],
            tuned=tuned,
            seconds=seconds,
        )

    def _kept(self, path: Path, work: Callable[[], dict[str, Any]], units: float) -> dict[str, Any]:
        """What this file holds, or what the work gives, kept there whole or not at all."""
        worked = not path.is_file()
        found = kept(path, work)
        self._count(units, worked)
        return found

    def _learn(self, bound: Bound, folder: Path, title: str) -> dict[str, Any]:
        group = self.group(bound)
        done = self._brought_to_its_end(group, folder, self._progress(title))
        faults = group.fault_lines()
        for fault in faults:
            self.tell(f"{title}: {fault}")
        seconds = sum(learned.seconds for learned in done)
        return {"seconds": seconds, "steps": done[0].steps, "diverged": group.diverged(), "faults": faults}

    def _brought_to_its_end(self, group: Groups, folder: Path, tell: Tell) -> list[Learned]:
        return [
            learn_in(folder / f"checkpoints-{place}", session, steps=self.steps, tell=tell)
            for place, session in enumerate(group.sessions)
        ]

    def _learned(self, bound: Bound, folder: Path) -> Groups:
        """The lanes at their end; from their last checkpoints where another process has brought them there."""
        group = self.group(bound)
        if any(session.machine.done == 0 for session in group.sessions):
            self._brought_to_its_end(group, folder, lambda line: None)
        return group

    def _measure(self, bound: Bound, folder: Path, title: str) -> dict[str, Any]:
        group = self._learned(bound, folder)
        assert self.source.evaluation is not None
        began = time.perf_counter()
        run = evaluation(group.build, self.source.evaluation, self.source.scaling, episodes=self.plan.episodes)
        returns = np.asarray(run(group.parts, group.floats), np.float64)
        self.tell(f"{title}: return {float(interquartile_mean(returns)):.4g} (measured, interquartile mean)")
        return {"returns": returns.tolist(), "seconds": time.perf_counter() - began}

    def _estimate(self, bound: Bound, folder: Path, title: str) -> dict[str, Any]:
        group = self._learned(bound, folder)
        began = time.perf_counter()
        self._save_policies(bound, group)
        parts = group.parts
        estimate = evaluate_offline(
            group.build,
            self.source.spec,
            self.split,
            {name: parts[name] for name in read_by_acting(group.structure, parts)},
            group.floats,
            updates=self.plan.fitted_updates,
            width=self.width,
            discount=DISCOUNT,
            neighbourhoods=self.near,
        )
        self.tell(f"{title}: estimated discounted return {estimate.mean():.4g}")
        return {"estimate": _estimate_to(estimate), "seconds": time.perf_counter() - began}

    def _save_policies(self, bound: Bound, group: Groups) -> None:
        """A folder for each seed, with a number of the setting before it where several were tried."""
        tried = self.tried[bound.name]
        for lane in range(group.lanes):
            setting, place = divmod(lane, len(self.seeds))
            number = f"setting-{setting}" if len(tried) > 1 else ""
            into = self.folder / "policies" / bound.name / number / f"seed-{self.seeds[place]}"
            if not into.is_dir():
                made = bound.changed(**tried[setting])
                save_policy(into, made, self.source.spec, self.source.scaling, group.policy_parts(lane))

    def _tuned(self, returns: np.ndarray) -> Tuned:
        return tune_by_bandit(returns, episodes=self.plan.tuned_on)


def measure_pace(group: Groups, least: float = 1.0) -> float:
    """Updates a second of all lanes, compiling left out; the sessions are as new afterwards."""
    return group.lanes / sum(_seconds_an_update(session, least) for session in group.sessions)


def _seconds_an_update(session: Session, least: float) -> float:
    """Of one update of each of the session's lanes."""
    machine = session.machine
    fresh = jax.tree.map(jnp.copy, machine.state)
    number, took, each = 1, 0.0, 0.0
    machine.advance(number)
    while took < least:
        began = time.perf_counter()
        machine.advance(number)
        took = time.perf_counter() - began
        each = took / (number * machine.counts_at(1)[0])
        number = min(number * 8, max(number + 1, int(1.5 * number * least / max(took, 1e-9))))
    machine.done = 0
    machine.adopt_state(fresh, None)
    return each


def _chosen(tuned: Tuned | None, estimate: OfflineEstimate, doubts: Sequence[str], seeds: int, settings: int) -> int:
    """Which setting is shown: what the bandit took most often, else the highest estimate, trusted ones first."""
    if settings == 1:
        return 0
    if tuned is not None:
        return int(np.bincount(tuned.taken // seeds, minlength=settings).argmax())
    means = np.nan_to_num(estimate.values.mean(axis=1).reshape(settings, seeds).mean(axis=1), nan=-np.inf)
    sound = np.array([not any(doubts[s * seeds : (s + 1) * seeds]) for s in range(settings)])
    return int(np.where(sound, means, -np.inf).argmax()) if sound.any() else int(means.argmax())


def _estimate_to(estimate: OfflineEstimate) -> dict[str, Any]:
    """As JSON knows it: numbers that are not finite as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {
        name: plain(np.asarray(value).tolist())
        for name, value in (
            ("values", estimate.values),
            ("disagreement", estimate.disagreement),
            ("error", estimate.error),
            ("trained_error", estimate.trained_error),
            ("outside", estimate.departure.outside),
            ("ratio", estimate.departure.ratio),
            ("possible", estimate.possible),
            ("spread", estimate.spread),
            ("rows", estimate.rows),
            ("whole", estimate.whole),
            ("remembers", estimate.remembers),
        )
    }


def _estimate_from(stored: Mapping[str, Any]) -> OfflineEstimate:
    def array(name: str) -> np.ndarray:
        return np.asarray(stored[name], np.float64)  # null becomes NaN

    low, high = stored["possible"]
    return OfflineEstimate(
        values=array("values"),
        disagreement=array("disagreement"),
        error=array("error"),
        trained_error=array("trained_error"),
        departure=Departure(array("outside"), array("ratio")),
        possible=(low, high),
        spread=float(stored["spread"]),
        rows=int(stored["rows"]),
        whole=bool(stored["whole"]),
        remembers=bool(stored["remembers"]),
    )
