"""What the quickstart measured, as plain data: everything that its report says is computed from these fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from pilothouse.report.markup import Number
from pilothouse.report.scales import Values
from pilothouse.statistics import Interval


@dataclass(frozen=True)
class Estimate:
    """A mean (or the like) in return units, with its 95% interval; None, or infinite ends, where it is not known."""

    value: Number
    interval: Interval | None = None

    @property
    def known(self) -> bool:
        return self.interval is not None and self.interval.known


@dataclass(frozen=True)
class OnlineRun:
    """Learning online, and the mark that it had to reach.

    - `recipe`: such as `sac`.
    - `steps`: `[time]`, environment steps at each evaluation, ascending.
    - `returns`: `[time, episode]`, undiscounted returns of the evaluation episodes at those steps.
    - `random`: mean return of acting at random.
    - `factor`: the mark is this many times random's mean.
    - `final`: the finished policy on held-out episodes.
    - `final_episodes`: how many those are.
    - `environment_steps`, `seconds`: what learning took in all.
    """

    recipe: str
    steps: Values
    returns: Values
    random: Estimate
    final: Estimate
    environment_steps: int
    seconds: Number
    factor: Number = 3.0
    final_episodes: int = 20

    @property
    def threshold(self) -> float:
        """The mark, in return units."""
        return float(self.factor) * float(self.random.value)

    @property
    def passed(self) -> bool:
        """Whether the whole interval of the finished policy lies above the mark."""
        interval = self.final.interval
        return interval is not None and interval.known and interval.above(self.threshold)


@dataclass(frozen=True)
class Level:
    """Episodes of one origin in the dataset.

    - `name`: such as `random`, `mixed`, `late`.
    - `returns`: `[episode]`, undiscounted.
    - `transitions`: in all of them.
    """

    name: str
    returns: Values
    transitions: int


@dataclass(frozen=True)
class DatasetQuality:
    """The recorded dataset.

    - `name`: such as `inverted-double-pendulum/quickstart-v0`; `path`: where it lies.
    - `levels`: its episodes, by origin.
    - `mean`: return of the average episode: what a perfect copy of the data's behaviour would get.
    - `trajectory_quality` (TQ), `state_action_coverage` (SACo): None where not measured.
    - `fingerprint`: of the content.
    - `opened_by`: the outside library, with its version, that opened the dataset; empty where none was asked.
    """

    name: str
    levels: Sequence[Level]
    mean: Estimate
    fingerprint: str
    path: str = ""
    trajectory_quality: Number | None = None
    state_action_coverage: Number | None = None
    opened_by: str = ""

    @property
    def transitions(self) -> int:
        return sum(level.transitions for level in self.levels)

    @property
    def episodes(self) -> int:
        return sum(len(np.asarray(level.returns)) for level in self.levels)


@dataclass(frozen=True)
class OffPolicyEstimate:
    """What an estimator expects of a policy from the data alone.

    - `value`: the estimate, in the estimator's own unit: a fitted Q speaks of *discounted* return.
    - `measured`: the same quantity measured in the environment; None where it was not.
    - `trusted`: whether the estimator's own checks passed; `reason` says why not.
    """

    value: Estimate
    trusted: bool
    measured: Estimate | None = None
    reason: str = ""


@dataclass(frozen=True)
class MethodResult:
    """One offline method.

    - `label`: as it is written in the report, such as `TD3+BC`; `recipe`: its name, such as `td3bc`.
    - `seeds`, `returns`: `[seed]`, for each seed the mean return over its held-out episodes.
    - `iqm`, `mean`: over seeds (and episodes), with 95% stratified bootstrap intervals.
    - `fqe`: None where it was not run.
    - `updates`: gradient updates of each seed; `seconds`: of learning, all seeds together, compiling left out.
    - `curve_steps` `[time]`, `curve_returns` `[seed, time]`: evaluation during learning, by updates; may be empty.
    - `diverged`: seeds whose loss turned infinite or NaN; they count with their last finite state.
    """

    label: str
    recipe: str
    seeds: Sequence[int]
    returns: Values
    iqm: Estimate
    mean: Estimate
    updates: int
    seconds: Number
    fqe: OffPolicyEstimate | None = None
    curve_steps: Values = field(default=())
    curve_returns: Values = field(default=())
    diverged: Sequence[int] = ()

    @property
    def updates_per_second(self) -> float:
        """Of all seeds together."""
        return self.updates * len(self.seeds) / float(self.seconds) if self.seconds else float("nan")


@dataclass(frozen=True)
class QuickstartData:
    """Everything that `write_quickstart_report` shows.

    - `environment`: its id, such as `InvertedDoublePendulum-v5`.
    - `command`: the exact command that does it all again.
    - `versions`: package → version; `machine`: what to say of it → its value (processor, cores, system).
    - `online`, `dataset`, `methods`: the three stages.
    - `held_out_episodes`: of each seed of each method; no learner has seen their start states.
    - `discount`: of the fitted Q.
    - `stages`: what was done → seconds.
    - `frames`: `[frame]` of RGB images of one episode, `fps` of them a second; empty with the reason in `no_video`.
    - `video_caption`: whose episode, and its return.
    """

    environment: str
    command: str
    online: OnlineRun
    dataset: DatasetQuality
    methods: Sequence[MethodResult]
    held_out_episodes: int
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    discount: Number = 0.99
    stages: Mapping[str, Number] = field(default_factory=dict)
    frames: Sequence[UInt8[np.ndarray, "height width 3"]] = ()
    fps: Number = 30.0
    video_caption: str = "One episode."
    no_video: str = ""
