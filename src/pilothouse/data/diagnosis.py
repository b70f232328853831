"""What is in a dataset, what is wrong with it, and which families of methods are likely to learn from it.

Nothing is trained. Every finding is a number with a plain sentence; `suits` names families with a reason each. The
rules by which families are named are rules of thumb of the field, written below beside their thresholds; they say where
to look first, and `pilothouse compare` says what came out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pilothouse.core.spaces import MASK
from pilothouse.data.behaviour import Behaviour, behaviour
from pilothouse.data.dataset import Dataset, observations
from pilothouse.data.duplicates import Duplicates, duplicates, hash_rows
from pilothouse.data.quality import Grid, occupancy_entropy, trajectory_quality
from pilothouse.data.summary import summarise

MOST_ROWS = 1_000_000
"""A larger dataset is diagnosed on whole episodes of about this many rows, drawn at random."""
MOST_ENTRIES = 60_000_000
"""And on fewer rows where one row is large, such as a picture."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "imitation": ("bc",),
    "filtered imitation": ("percent-bc", "crr", "awac"),
    "constrained value learning": ("iql", "td3bc", "rebrac", "a2pr", "prdc"),
    "expressive policies": ("idql", "edp", "consistency-ac"),
    "pessimistic value learning": ("cql", "edac", "sac-n"),
    "model-based": ("mopo", "combo"),
    "sequence models": ("decision-transformer",),
    "imputed rewards": ("reward-imputation",),
    "imputed actions": ("ss-orl",),
}
"""The families that `suits` names, with the keys of recipes that belong to them; not all need have been built."""
MEANINGS: Mapping[str, str] = {
    "imitation": "copy what was done, without looking at rewards",
    "filtered imitation": "copy what was done, the good parts only or more strongly",
    "constrained value learning": "learn what actions are worth and improve on the data, without leaving it",
    "expressive policies": "the same, with policies that can keep several ways to act apart",
    "pessimistic value learning": "learn what actions are worth and distrust whatever is little known",
    "model-based": "learn how the world answers, and practise in that, pessimistically",
    "sequence models": "learn to continue episodes, given the return that is asked for",
    "imputed rewards": "learn from the rewards that are known what the others would have been, and use every row",
    "imputed actions": "learn from the actions that are known what was done elsewhere, and use every row",
}
"""Each family in the words of someone who has not met it."""
SPARSE = 0.9
"""Rewards are called sparse where at least this share of the steps have one and the same reward."""
FEW = 5_000
"""Below as many transitions a dataset is called small."""
LARGE = 64
"""Observations of more entries are not what the model-based family here is known to learn from."""


@dataclass(frozen=True)
class Finding:
    """`level` is `sound`, `note` (worth knowing) or `fault` (to be mended, or to be learned around)."""

    name: str
    level: str
    sentence: str


@dataclass(frozen=True)
class Rewards:
    """`kind`: `constant`, `sparse` (one value, `usual`, on at least 90% of the steps) or `dense`.

    `usual_share`: of the steps with the most frequent reward; `events`: share of the episodes with any other reward.
    """

    kind: str
    low: float
    high: float
    usual: float
    usual_share: float
    events: float


@dataclass(frozen=True)
class Returns:
    """Undiscounted, per episode. `best` is the mean of the best tenth; `tq` is trajectory quality (see `lowest`).

    `lowest`, `highest`: what `tq` is measured between: reference scores where `referenced`, else the data's own worst
    and best episode, in which case 1 only means "as good as the best seen here".
    """

    mean: float
    std: float
    low: float
    median: float
    high: float
    best: float
    tq: float
    lowest: float
    highest: float
    referenced: bool
    spread: float

    @property
    def alike(self) -> bool:
        """Whether all episodes earn about the same: nine in ten lie within a tenth of the largest (`spread`)."""
        return self.spread < 0.1


@dataclass(frozen=True)
class Endings:
    """Episodes by their last row, and `early`: rows that terminated with further rows of their episode after them."""

    terminated: int
    truncated: int
    both: int
    unfinished: int
    early: int
    same_length: bool


@dataclass(frozen=True)
class Coverage:
    """Distinct (observation, action) cells, of 100 a number between the data's own bounds, as SACo counts them.

    `distinct`: their share of the rows; `entropy`: of the visits, over its maximum (log of the rows); `saco`: cells over
    those of a reference dataset on one grid, where one was given.
    """

    cells: int
    distinct: float
    entropy: float
    saco: float | None = None


@dataclass(frozen=True)
class Unlabelled:
    """What some rows lack: `rewards` and `actions`, in rows; `episodes` that lack any, and the `rows` of those."""

    rewards: int
    actions: int
    episodes: int
    rows: int


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found. `rows_seen` of `transitions` were looked at; all of it where they are equal.

    - `unlabelled`: None where every row has its reward and its action; else all other numbers, `transitions` and
      `episodes` too, are of the episodes that have them throughout.
    - `numbers`: as `summarise` gives them; `gaps`: rows whose `next_obs` is not the `obs` of the next row of their
      episode; `nonfinite`: NaN and infinite numbers; `out_of_bounds`: rows with an action outside its bounds.
    - `constant_obs`, `constant_action`: entries that never change, as `name[index]`.
    - `behaviour`: None for very small data.
    - `findings`: in a fixed order, faults among them; `suits`: `(family, reason)`, the likeliest first, families as
      in `FAMILIES`; `cautions`: `(family, reason)` of those likely not to suit.
    """

    name: str
    env_id: str | None
    transitions: int
    rows_seen: int
    episodes: int
    numbers: Mapping[str, float | int]
    rewards: Rewards
    returns: Returns
    endings: Endings
    duplicates: Duplicates
    gaps: int
    nonfinite: int
    out_of_bounds: int
    constant_obs: tuple[str, ...]
    constant_action: tuple[str, ...]
    obs_entries: int
    coverage: Coverage
    behaviour: Behaviour | None
    unlabelled: Unlabelled | None = None
    findings: tuple[Finding, ...] = ()
    suits: tuple[tuple[str, str], ...] = ()
    cautions: tuple[tuple[str, str], ...] = ()

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "fault")

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts and lists; what is not finite is None."""
        return _plain({**asdict(self), "verdict": self.verdict})

    @property
    def verdict(self) -> str:
        """One sentence: whether it can be learned from as it is, and with what first."""
        first = self.suits[0][0] if self.suits else None
        sound = "sound" if not self.faults else f"usable with care ({_count(len(self.faults), 'fault')})"
        return f"This dataset is {sound}; start with {first}." if first else f"This dataset is {sound}."


def diagnose(
    dataset: Dataset,
    *,
    seed: int = 0,
    references: tuple[float, float] | None = None,
    reference_data: Dataset | None = None,
) -> Diagnosis:
    """Looks through a dataset, in seconds for a million rows.

    **Arguments:**
    - `seed`: of the rows that neighbours are looked for among, and of the episodes that stand for a larger dataset.
    - `references`: mean returns of a random and of a good policy in the same environment, for trajectory quality.
    - `reference_data`: a dataset of the same spaces that has seen much, such as a replay, for SACo.

    Where some rows lack their reward or action, the episodes that have all of them are looked through, for the rest.

    **Raises:** `DataError` where no episode has them throughout.
    """
    given, dataset = dataset, dataset.labelled()
    seen = _sampled(dataset, seed)
    found = Diagnosis(
        name=dataset.name,
        env_id=dataset.env_id,
        transitions=len(dataset),
        rows_seen=len(seen),
        episodes=dataset.episodes,
        numbers=(numbers := summarise(seen)),
        rewards=_rewards(seen),
        returns=_returns(dataset.returns, references),
        endings=_endings(seen),
        duplicates=duplicates(seen),
        gaps=_gaps(seen),
        nonfinite=int(numbers["nonfinite"]),
        out_of_bounds=int(numbers["actions_out_of_bounds"]),
        constant_obs=_constant(seen, "obs"),
        constant_action=_constant(seen, "action"),
        obs_entries=_entries(seen),
        coverage=_coverage(seen, reference_data),
        behaviour=behaviour(seen, seed=seed),
        unlabelled=_unlabelled(given, dataset),
    )
    suits, cautions = _families(found)
    return replace(found, findings=_findings(found), suits=suits, cautions=cautions)


def _unlabelled(dataset: Dataset, whole: Dataset) -> Unlabelled | None:
    rewards, actions = dataset.missing("reward"), dataset.missing("action")
    if not rewards and not actions:
        return None
    return Unlabelled(rewards, actions, dataset.episodes - whole.episodes, len(dataset) - len(whole))


def _sampled(dataset: Dataset, seed: int) -> Dataset:
    """The dataset, or whole episodes of it drawn at random until they hold as many rows as are looked at."""
    most = min(MOST_ROWS, max(MOST_ENTRIES // _entries(dataset), 1_000))
    if len(dataset) <= most or dataset.episodes == 1:
        return dataset
    order = np.random.default_rng(seed).permutation(dataset.episodes)
    kept = np.searchsorted(np.cumsum(dataset.lengths[order]), most, side="right")
    return dataset.select(np.sort(order[: max(kept, 1)]))


def _entries(dataset: Dataset) -> int:
    """Numbers in one observation."""
    each = [int(np.prod(array.shape[1:])) for _, _, array in observations(dataset.spec.obs, dataset.obs)]
    return max(sum(each), 1)


def _rewards(dataset: Dataset) -> Rewards:
    values, counts = np.unique(dataset.reward, return_counts=True)
    usual = values[counts.argmax()]
    share = float(counts.max() / len(dataset))
    other = np.add.reduceat((dataset.reward != usual).astype(np.int64), dataset.starts)
    kind = "constant" if len(values) == 1 else "sparse" if share >= SPARSE else "dense"
    return Rewards(kind, float(values[0]), float(values[-1]), float(usual), share, float((other > 0).mean()))


def _returns(returns: np.ndarray, references: tuple[float, float] | None) -> Returns:
    low, q05, median, q95, high = (float(x) for x in np.quantile(returns, [0, 0.05, 0.5, 0.95, 1]))
    lowest, highest = references or (low, high)
    best = np.sort(returns)[-max(len(returns) // 10, 1) :]
    largest = max(abs(low), abs(high))
    return Returns(
        mean=float(returns.mean()),
        std=float(returns.std()),
        low=low,
        median=median,
        high=high,
        best=float(best.mean()),
        tq=trajectory_quality(returns, lowest=lowest, highest=highest) if lowest < highest else float("nan"),
        lowest=lowest,
        highest=highest,
        referenced=references is not None,
        spread=(q95 - q05) / largest if largest else 0.0,
    )


def _endings(dataset: Dataset) -> Endings:
    last = dataset.starts + dataset.lengths - 1
    terminated, truncated = dataset.terminated[last], dataset.truncated[last]
    return Endings(
        terminated=int(terminated.sum()),
        truncated=int((truncated & ~terminated).sum()),
        both=int((terminated & truncated).sum()),
        unfinished=int((~terminated & ~truncated).sum()),
        early=int(dataset.terminated.sum() - terminated.sum()),
        same_length=bool(dataset.lengths.min() == dataset.lengths.max()),
    )


def _gaps(dataset: Dataset) -> int:
    inner = np.flatnonzero(dataset.episode_id[1:] == dataset.episode_id[:-1])
    if not len(inner):
        return 0
    broken = np.zeros(len(inner), bool)
    for (_, _, obs), (_, _, after) in zip(
        observations(dataset.spec.obs, dataset.obs), observations(dataset.spec.obs, dataset.next_obs), strict=True
    ):
        before = after.reshape(len(after), -1)[:-1]
        then = obs.reshape(len(obs), -1)[1:]
        broken |= (before != then).any(axis=1)[inner]
    return int(broken.sum())


def _constant(dataset: Dataset, side: str) -> tuple[str, ...]:
    found = []
    for name, _, array in observations(getattr(dataset.spec, side), getattr(dataset, side)):
        flat = array.reshape(len(array), -1)
        same = np.flatnonzero(flat.min(axis=0) == flat.max(axis=0))
        if name != MASK and array.dtype != np.uint8:
            found += [f"{name or side}[{index}]" if array.ndim > 1 else name or side for index in same]
    return tuple(found)


def _coverage(dataset: Dataset, reference: Dataset | None) -> Coverage:
    grid = Grid.over([dataset] if reference is None else [dataset, reference])
    own, counts = np.unique(hash_rows([grid.cells(dataset, "obs", "action")]), return_counts=True)
    rows = len(dataset)
    entropy = occupancy_entropy(counts) / np.log(rows) if rows > 1 else 0.0
    saco = None
    if reference is not None:
        saco = len(own) / len(np.unique(hash_rows([grid.cells(reference, "obs", "action")])))
    return Coverage(len(own), len(own) / rows, float(entropy), saco)


def _findings(found: Diagnosis) -> tuple[Finding, ...]:
    """In the order in which a reader asks: is it sound, how does it end, what does it pay, who made it."""
    said = [
        *_soundness(found),
        _told_endings(found.endings, found.episodes if found.rows_seen == found.transitions else None),
        _told_rewards(found.rewards),
        _told_returns(found.returns, found.episodes),
        _told_coverage(found.coverage),
        *_told_behaviour(found.behaviour, float(found.numbers["action_saturation"])),
    ]
    if found.rows_seen < found.transitions:
        told = f"Looked at {found.rows_seen:,} of {found.transitions:,} transitions, in whole episodes drawn at random."
        said.insert(0, Finding("sample", "note", told + " Returns are of all episodes."))
    if found.unlabelled is not None:
        said.insert(0, _told_unlabelled(found.unlabelled, found.episodes))
    if found.transitions < FEW:
        told = f"{_count(found.transitions, 'transition')}: little to learn from; expect results to differ by seed."
        said.insert(0, Finding("size", "note", told))
    return tuple(said)


def _told_unlabelled(lacking: Unlabelled, whole: int) -> Finding:
    parts = [
        f"{_count(rows, 'row')} {'has' if rows == 1 else 'have'} no {label}"
        for rows, label in ((lacking.rewards, "reward"), (lacking.actions, "action"))
        if rows
    ]
    told = (
        f"{' and '.join(parts)}, in {_count(lacking.episodes, 'episode')} of {_count(lacking.rows, 'transition')}; all else "
        f"that is said here is of the {_count(whole, 'episode')} with every label."
    )
    return Finding("labels", "note", told)


def _soundness(found: Diagnosis) -> list[Finding]:
    rows, repeated = found.rows_seen, found.duplicates
    share = repeated.transitions / rows
    odd = [*found.constant_obs, *found.constant_action]
    listed = ", ".join(odd[:8]) + (f" and {len(odd) - 8} more" if len(odd) > 8 else "")
    return [
        Finding("nonfinite", "fault", f"{_count(found.nonfinite, 'number')} NaN or infinite: leave those rows out.")
        if found.nonfinite
        else Finding("nonfinite", "sound", "No number is NaN or infinite."),
        Finding(
            "bounds",
            "fault" if found.out_of_bounds > 0.01 * rows else "note",
            f"{_count(found.out_of_bounds, 'row')} ({found.out_of_bounds / rows:.2%}) with an action outside its bounds; "
            "training clips them. Many of them hint at other units than the space's.",
        )
        if found.out_of_bounds
        else Finding("bounds", "sound", "Every action lies within its bounds."),
        Finding(
            "gaps",
            "fault",
            f"{_count(found.gaps, 'gap')}: the observation after a step is not the one before the next. One-step "
            "methods do not mind; what learns from several steps in a row is misled.",
        )
        if found.gaps
        else Finding("gaps", "sound", "Episodes are whole: what follows a step is what the next step begins with."),
        Finding(
            "duplicates",
            "fault" if share > 0.05 else "note",
            f"{_count(repeated.transitions, 'transition')} ({share:.2%}) and {_count(repeated.episodes, 'episode')} "
            "repeat earlier ones bit for bit: they weigh more than they should, and a held-out split may leak.",
        )
        if repeated.transitions
        else Finding("duplicates", "sound", "No transition occurs twice."),
        Finding("constant", "note", f"{_count(len(odd), 'entry never changes', 'entries never change')}: {listed}.")
        if odd
        else Finding("constant", "sound", "Every entry of observations and actions changes."),
    ]


def _told_endings(endings: Endings, episodes: int | None) -> Finding:
    total = episodes or endings.terminated + endings.truncated + endings.unfinished
    parts = [
        f"{_count(endings.terminated, 'episode')} of {total:,} terminated (the task ended: nothing is worth anything "
        "after it)",
        f"{endings.truncated:,} were truncated (the recording stopped: values go on)",
    ]
    level = "note"
    if endings.unfinished:
        parts.append(f"{endings.unfinished:,} are marked neither way; their last rows count as truncated")
    if endings.both:
        parts.append(f"{endings.both:,} of the terminated ones are marked truncated as well")
    if endings.early:
        level = "fault"
        parts.append(f"{_count(endings.early, 'row')} terminated in the middle of an episode")
    if endings.terminated == total and endings.same_length and total > 1:
        level = "fault"
        parts.append("all of one length, so that a time limit was probably recorded as termination")
    return Finding("endings", level, "; ".join(parts) + ".")


def _told_rewards(rewards: Rewards) -> Finding:
    if rewards.kind == "constant":
        told = f"Every step pays {_number(rewards.low)}: only how long an episode lasts can tell good from bad."
        return Finding("rewards", "fault" if rewards.low == 0 else "note", told)
    if rewards.kind == "sparse":
        told = (
            f"Rewards are sparse: {rewards.usual_share:.1%} of the steps pay {_number(rewards.usual)}; "
            f"{rewards.events:.0%} of the episodes hold any other reward."
        )
        return Finding("rewards", "note", told)
    told = f"Rewards are dense, from {_number(rewards.low)} to {_number(rewards.high)}."
    return Finding("rewards", "sound", told)


def _told_returns(returns: Returns, episodes: int) -> Finding:
    told = (
        f"An episode earns {_number(returns.mean)} on average, the best tenth {_number(returns.best)} "
        f"(from {_number(returns.low)} to {_number(returns.high)})."
    )
    if returns.referenced:
        told += (
            f" Trajectory quality {returns.tq:.2f}, where 0 is acting at random ({_number(returns.lowest)}) and 1 the "
            f"reference ({_number(returns.highest)})."
        )
    elif episodes > 1 and returns.high > returns.low:
        told += f" Between its own worst and best episode the mean lies at {returns.tq:.2f}."
    return Finding("returns", "note", told)


def _told_coverage(coverage: Coverage) -> Finding:
    told = (
        f"{_count(coverage.cells, 'distinct situation-action cell')} (100 steps a number), {coverage.distinct:.0%} of "
        "the rows."
    )
    if coverage.distinct > 0.99:
        told += " Nearly every row has a cell of its own, as with many real numbers: compare, do not read it alone."
    if coverage.saco is not None:
        told += f" SACo {coverage.saco:.2f}: that many times the cells of the reference data."
    return Finding("coverage", "note", told)


def _told_behaviour(found: Behaviour | None, saturation: float) -> list[Finding]:
    if found is None:
        return [Finding("behaviour", "note", "Too few rows to say what was done in like situations.")]
    if not found.near:
        told = f"Like situations are rare here (neighbours lie at {found.distance:.0%} of the distance of any two rows)"
        return [
            Finding("behaviour", "note", told + ", so that one can hardly say whether behaviour was of several kinds.")
        ]
    kind = (
        "In like situations nearly the same was done"
        if found.randomness < 0.1
        else "In like situations nearly anything was done, as at random"
        if found.randomness > 0.8
        else "In like situations different things were done"
    )
    told = f"{kind} ({found.randomness:.0%} of the variance of actions is left once the situation is known)."
    modes = (
        f"Two ways to act were found in {found.multimodality:.0%} of the situations."
        if found.multimodality >= 0.005
        else "No situation was found with two ways to act."
    )
    edge = f" {saturation:.0%} of all pushes are at their limits." if saturation > 0.1 else ""
    return [Finding("randomness", "note", told + edge), Finding("multimodality", "note", modes)]


def _families(found: Diagnosis) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Rules of thumb, the strongest first; see each for its reason."""
    returns, rewards, doing = found.returns, found.rewards, found.behaviour
    suits: list[tuple[str, str]] = []
    cautions: list[tuple[str, str]] = []
    for label, rows in _lacking(found.unlabelled):
        suits.append(
            (f"imputed {label}", f"{_count(rows, 'row')} without {label}, which other methods refuse or waste.")
        )
    if returns.high == returns.low:
        every = "Every episode earns the same"
        suits.append(
            ("imitation", f"{every}, so that there is nothing to choose by: what was done can only be copied.")
        )
        cautions.append(("constrained value learning", f"{every}: values cannot tell a good action from a bad one."))
        return tuple(suits), tuple(cautions)
    broad = doing is not None and doing.near and doing.randomness > 0.5
    narrow = doing is not None and doing.near and doing.randomness < 0.1
    modal = doing is not None and doing.near and doing.multimodality >= 0.2
    if returns.alike:
        told = "nine in ten episodes earn about the same, so that a copy should earn that too"
        suits.append(("imitation", f"Behaviour is even: {told}."))
    elif found.episodes >= 20:
        gain = f"the best tenth earns {_number(returns.best)} and the average episode {_number(returns.mean)}"
        suits.append(("filtered imitation", f"Episodes differ: {gain}; copying the good ones is the line to beat."))
    first = len(_lacking(found.unlabelled))
    suits.insert(
        first if not returns.alike else len(suits), ("constrained value learning", _why_constrained(found, narrow))
    )
    if modal and doing is not None:
        told = (
            f"Two ways to act in {doing.multimodality:.0%} of the situations: a policy that averages them does neither."
        )
        suits.insert(first + 1, ("expressive policies", told))
        cautions.append(("imitation", "A single bump over actions blurs ways to act that are far apart."))
    if broad and rewards.kind != "constant":
        told = "Actions vary widely in like situations, so that values can be compared beyond what was mostly done"
        suits.append(("pessimistic value learning", f"{told}; penalise what is still unseen."))
    if broad and found.rows_seen >= FEW and found.obs_entries <= LARGE:
        suits.append(
            (
                "model-based",
                "Many different actions were tried from like situations, which is what a model learns from.",
            )
        )
    if narrow:
        told = (
            "Nearly one action was taken per situation: values of any other are guesses, and a model has not seen them"
        )
        cautions.append(("pessimistic value learning", f"{told}."))
    if returns.alike or broad:
        if not returns.alike and returns.best > returns.mean:
            cautions.append(
                ("imitation", "A copy of behaviour that varies so much earns no more than it did on average.")
            )
    elif not found.gaps and rewards.kind == "dense" and found.episodes >= 100:
        suits.append(
            (
                "sequence models",
                "Whole episodes of many qualities with dense rewards: returns to ask for are in the data.",
            )
        )
    if found.gaps:
        cautions.append(("sequence models", f"{_count(found.gaps, 'gap')} within episodes: histories are torn."))
    if rewards.kind == "sparse" and rewards.events < 0.5:
        told = f"Only {rewards.events:.0%} of the episodes hold a reward other than the usual one"
        cautions.append(("sequence models", f"{told}: few returns to ask for, and pieces of episodes are not joined."))
    return tuple(suits), tuple(cautions)


def _lacking(unlabelled: Unlabelled | None) -> list[tuple[str, int]]:
    """The labels that some rows lack, and how many rows."""
    if unlabelled is None:
        return []
    return [(label, rows) for label in ("rewards", "actions") if (rows := getattr(unlabelled, label))]


def _why_constrained(found: Diagnosis, narrow: bool) -> str:
    if found.rewards.kind == "sparse":
        return "Rewards are sparse: values carry them back along the data and join pieces of episodes, without leaving them."
    if narrow:
        return "Nearly one action was taken per situation: improve on it, but stay close, since the rest is unseen."
    return "Episodes of different quality: value learning that stays with the data's actions picks the better of them."


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _count(value: int, one: str, many: str = "") -> str:
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def _number(value: float) -> str:
    """Three digits or more, thousands parted: 1,234, 12.3, 0.0412."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"
