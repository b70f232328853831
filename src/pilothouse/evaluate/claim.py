"""Claims: what a paper asserts, how it is measured here, and the verdict of the measurement.

A recipe's module holds one, as `CLAIM = Claim(...)`. Nothing here trains: `measure` is the recipe's own function from
seeds to one number per seed and arm, and everything it needs it makes itself.

Final seeds are 1000, 1001, …; whatever was tuned was tuned on seeds below 1000.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError, WiringError
from pilothouse.evaluate.relations import Judgement, Relation, Verdict, judge, overall

Basis = Literal["paper", "analogue", "ours"]
"""`paper`: the paper's own kind of task. `analogue`: the mechanism on a stand-in, where the paper speaks of a large
model, people, robots or data that we do not have. `ours`: the paper makes no measurable claim, and we state one."""

WrittenFrom = Literal["paper", "code", "abstract"]
"""What the recipe was written from: the paper, the authors' code, or the abstract alone."""

FINAL_SEED = 1000
"""The first final seed; tuning uses seeds below it."""

FEWEST_SEEDS = 5


@dataclass(frozen=True)
class Measured:
    """Values of every arm, and which seeds diverged; both `{arm: [seed]}`.

    What `measure` returns when seeds can diverge. A diverged seed keeps its last finite evaluation as its value
    (`last_finite`) and is marked here: it is counted, never dropped. Arms missing from `diverged` had none.
    """

    values: Mapping[str, ArrayLike]
    diverged: Mapping[str, ArrayLike] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a paper asserts, as something that can be measured.

    - `recipe`: the key in the catalogue.
    - `statement`: the assertion, in our words.
    - `basis`, `source`: see `Basis` and `WrittenFrom`.
    - `measure`: `measure(seeds) -> {arm: [seed]}` (or `Measured`), the method and its natural baseline on one budget,
      each value from that seed alone, so that arms are paired by seed.
    - `relations`: what is asserted; see `pilothouse.evaluate.relations`.
    - `unit`: what the numbers are, such as "return"; a mapping by arm where arms differ.
    - `effect`: the difference that the paper states, in that unit, or None.
    - `settings`: `{arm: settings used}`. `tried`: `{arm: every setting tried}`, equally many for each arm.
    - `seeds`: how many final seeds; 8, or 5 where one takes over a minute.
    - `notes`: anything a reader of the record should know.

    Raises `WiringError` or `SettingError` when a field does not hold together.
    """

    recipe: str
    statement: str
    basis: Basis
    source: WrittenFrom
    measure: Callable[[Sequence[int]], Any]
    relations: tuple[Relation, ...]
    unit: str | Mapping[str, str]
    effect: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tried: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: int = 8
    notes: str = ""

    def __post_init__(self) -> None:
        for name, value, allowed in (("basis", self.basis, Basis), ("source", self.source, WrittenFrom)):
            if value not in get_args(allowed):
                raise SettingError(
                    f"{name}={value!r} of the claim of {self.recipe!r} is not one of {', '.join(get_args(allowed))}."
                )
        if not self.relations:
            raise WiringError(f"The claim of {self.recipe!r} asserts nothing; give at least one relation.")
        if self.seeds < FEWEST_SEEDS:
            raise SettingError(f"The claim of {self.recipe!r} has seeds={self.seeds}; expected {FEWEST_SEEDS} or more.")
        if len({len(settings) for settings in self.tried.values()}) > 1:
            counts = ", ".join(f"{arm} {len(settings)}" for arm, settings in self.tried.items())
            raise WiringError(
                f"The claim of {self.recipe!r} tried unequally many settings ({counts}); each arm gets equally many."
            )

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that the relations speak of, each once; `measure` may return more."""
        return tuple(dict.fromkeys(arm for relation in self.relations for arm in relation.arms))

    def unit_of(self, arm: str) -> str:
        """What the numbers of one arm are."""
        return self.unit if isinstance(self.unit, str) else self.unit.get(arm, "")

    def to_json(self) -> dict[str, Any]:
        """The claim without its measurement."""
        return {
            "statement": self.statement,
            "basis": self.basis,
            "source": self.source,
            "relations": [str(relation) for relation in self.relations],
            "unit": self.unit if isinstance(self.unit, str) else dict(self.unit),
            "effect": self.effect,
            "settings": dict(self.settings),
            "tried": {arm: list(settings) for arm, settings in self.tried.items()},
            "seeds": self.seeds,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on a claim and on each of its relations.

    Shown when every relation is, contradicted when any is, else inconclusive; `underpowered` when an inconclusive claim
    has a relation whose interval is too wide to mean anything.
    """

    verdict: Verdict
    underpowered: bool
    relations: tuple[Judgement, ...]


def final_seeds(count: int, first: int = FINAL_SEED) -> tuple[int, ...]:
    """`count` seeds from `first` on. Raises `SettingError` for none."""
    if count < 1:
        raise SettingError(f"seeds={count!r} was given; expected 1 or more.")
    return tuple(range(first, first + count))


def last_finite(history: ArrayLike) -> tuple[Float[np.ndarray, " seed"], Bool[np.ndarray, " seed"]]:
    """Each seed's last finite evaluation, and whether a later one was not finite (the seed diverged).

    `history` is `[seed, evaluation]`. Raises `DataError` if a seed has no finite evaluation: evaluate once before
    training, and every seed has one.
    """
    array = np.asarray(history, np.float64)
    finite = np.isfinite(array)
    if not finite.any(axis=-1).all():
        seed = int(np.argmin(finite.any(axis=-1)))
        raise DataError(
            f"Seed number {seed} has no finite evaluation; evaluate once before training, so that every seed has one."
        )
    last = array.shape[-1] - 1 - np.argmax(finite[:, ::-1], axis=-1)
    return array[np.arange(len(array)), last], ~finite[:, -1]


def run_claim(claim: Claim, seeds: Sequence[int]) -> Measured:
    """Measures a claim: finite float arrays `[seed]` for every arm, and boolean ones that say which seeds diverged.

    **Raises:** `DataError` when `measure` returns no values for an arm of the relations, a number of values other than
    the number of seeds, or one that is not finite.
    """
    returned = claim.measure(list(seeds))
    measured = returned if isinstance(returned, Measured) else Measured(returned)
    if missing := [arm for arm in claim.arms if arm not in measured.values]:
        raise DataError(
            f"The claim of {claim.recipe!r} measured {sorted(measured.values)}, but its relations also need {missing}."
        )
    values = {arm: _per_seed(claim, arm, given, len(seeds)) for arm, given in measured.values.items()}
    none = np.zeros(len(seeds), bool)
    return Measured(values, {arm: np.asarray(measured.diverged.get(arm, none), bool) for arm in values})


def judge_claim(claim: Claim, values: Mapping[str, ArrayLike]) -> ClaimVerdict:
    """The verdict of measured values `{arm: [seed]}` on every relation, and on the claim."""
    judged = tuple(judge(relation, values, effect=claim.effect) for relation in claim.relations)
    verdict = overall(judged)
    return ClaimVerdict(verdict, verdict == "inconclusive" and any(one.underpowered for one in judged), judged)


def _per_seed(claim: Claim, arm: str, given: ArrayLike, count: int) -> Float[np.ndarray, " seed"]:
    values = np.asarray(given, np.float64)
    if values.shape != (count,):
        raise DataError(
            f"The claim of {claim.recipe!r} measured {arm!r} with shape {values.shape}; expected ({count},), "
            "one value a seed."
        )
    if not np.isfinite(values).all():
        which = int(np.argmin(np.isfinite(values)))
        raise DataError(
            f"The claim of {claim.recipe!r} measured {values[which]} in arm {arm!r}, seed number {which}. "
            "A diverged seed keeps its last finite evaluation (`last_finite`), marked in `Measured.diverged`."
        )
    return values
