"""Relations: what a claim asserts about its arms, and the verdict of measured values on each.

    greater(a, b, margin)      a - b > margin
    less(a, b, margin)         a - b < -margin
    not_worse(a, b, margin)    a - b >= -margin
    within(a, b, margin)       |a - b| <= margin
    slope(arms, sign)          the arms rise (sign 1) or fall (sign -1) from first to last

Larger is better in `not_worse`; where smaller is better write `less(a, b, margin=-tolerance)`. Margins are in the unit
of the arms, and are fixed before the final seeds are run.

A verdict rests on the 95% interval of the differences paired by seed. *Shown*: the interval lies wholly inside the
region that the relation names. *Contradicted*: wholly outside. Else *inconclusive*, and how wide the interval is says
what that is worth (`underpowered`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError, SettingError, unknown
from pilothouse.statistics import Interval, mean_interval
from pilothouse.statistics import slope as line_slope
from pilothouse.statistics.interval import finite_scores

Verdict = Literal["shown", "inconclusive", "contradicted"]
Kind = Literal["greater", "less", "not worse", "within", "slope"]

BASELINE_SHARE = 0.2
"""An interval with a half-width above this share of the baseline cannot speak for or against a claim."""


@dataclass(frozen=True)
class Relation:
    """One assertion about arms, the last of two being the baseline. Made by the functions below.

    `effect` is the difference that the paper states for this relation, in the unit of the arms; None takes the
    claim's. `at` places the arms of a slope on an axis (1 apart when None).
    """

    kind: Kind
    arms: tuple[str, ...]
    margin: float = 0.0
    sign: int = 1
    at: tuple[float, ...] | None = None
    effect: float | None = None

    def __str__(self) -> str:
        match self.kind:
            case "slope":
                return f"{' → '.join(self.arms)} {'rises' if self.sign > 0 else 'falls'}"
            case "within":
                return f"|{self.arms[0]} - {self.arms[1]}| ≤ {self.margin:g}"
        sign = {"greater": ">", "less": "<", "not worse": "≥"}[self.kind]
        offset = self.margin if self.kind == "greater" else -self.margin
        shift = f" {'+' if offset > 0 else '-'} {abs(offset):g}" if offset else ""
        return f"{self.arms[0]} {sign} {self.arms[1]}{shift}"


@dataclass(frozen=True)
class Judgement:
    """The verdict on one relation, with what it rests on; all numbers in the unit of the arms.

    `difference` is the mean over seeds of first arm minus baseline (for a slope: the fitted change from the first arm
    to the last). `effect` is what the paper states, or None.
    """

    relation: Relation
    verdict: Verdict
    difference: float
    interval: Interval
    effect: float | None
    underpowered: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "relation": str(self.relation),
            "kind": self.relation.kind,
            "arms": list(self.relation.arms),
            "margin": self.relation.margin,
            "verdict": self.verdict,
            "difference": self.difference,
            "interval": self.interval.to_json(),
            "half_width": self.interval.half_width if self.interval.known else None,
            "effect": self.effect,
            "underpowered": self.underpowered,
        }


def greater(a: str, b: str, margin: float = 0.0, *, effect: float | None = None) -> Relation:
    """`a` is above `b` by more than `margin`."""
    return Relation("greater", (a, b), margin, effect=effect)


def less(a: str, b: str, margin: float = 0.0, *, effect: float | None = None) -> Relation:
    """`a` is below `b` by more than `margin`."""
    return Relation("less", (a, b), margin, effect=effect)


def not_worse(a: str, b: str, margin: float, *, effect: float | None = None) -> Relation:
    """`a` is at most `margin` below `b`; larger is better. Raises `SettingError` for a negative margin."""
    return Relation("not worse", (a, b), _not_negative("not_worse", margin), effect=effect)


def within(a: str, b: str, margin: float, *, effect: float | None = None) -> Relation:
    """`a` and `b` differ by at most `margin`. Raises `SettingError` for a negative margin."""
    return Relation("within", (a, b), _not_negative("within", margin), effect=effect)


def slope(
    arms: Sequence[str], sign: int, *, at: Sequence[float] | None = None, effect: float | None = None
) -> Relation:
    """The least-squares line through `arms`, each seed its own, rises (`sign` 1) or falls (-1).

    `at` gives each arm's place on the axis (a dose, a size); 0, 1, 2, … when None. Raises `SettingError` for fewer than
    two arms, another sign, or places that do not match the arms or do not increase.
    """
    if len(arms) < 2:
        raise SettingError(f"slope was given {len(arms)} arm(s); expected two or more, in order.")
    if sign not in (1, -1):
        raise SettingError(f"slope was given sign={sign!r}; expected 1 (rises) or -1 (falls).")
    if at is not None and (len(at) != len(arms) or any(x >= y for x, y in zip(at, at[1:], strict=False))):
        raise SettingError(f"slope was given at={tuple(at)!r}; expected {len(arms)} increasing numbers, one an arm.")
    return Relation("slope", tuple(arms), 0.0, sign, None if at is None else tuple(at), effect)


def judge(relation: Relation, values: Mapping[str, ArrayLike], *, effect: float | None = None) -> Judgement:
    """The verdict of measured `values` (`{arm: [seed]}`, finite, the same seeds in every arm) on one relation.

    `effect` is the claim's, used where the relation has none of its own.

    **Raises:** `UnknownNameError` for an arm that was not measured, `DataError` for values that are not finite or not
    equally many.
    """
    for arm in relation.arms:
        if arm not in values:
            raise unknown("arm", arm, values)
    differences = _differences(relation, values)
    interval = mean_interval(differences)
    verdict = _verdict(relation, interval)
    effect = relation.effect if relation.effect is not None else effect
    weak = verdict == "inconclusive" and underpowered(
        interval,
        baseline=values[relation.arms[0 if relation.kind == "slope" else 1]],
        yardsticks=_yardsticks(relation, effect),
    )
    return Judgement(relation, verdict, float(differences.mean()), interval, effect, weak)


def underpowered(interval: Interval, *, baseline: ArrayLike, yardsticks: Sequence[float] = ()) -> bool:
    """Whether an interval is too wide for "inconclusive" to mean anything.

    It is when its half-width exceeds any yardstick (the effect that the paper states, a tolerance) or 20% of the
    baseline's mean. A share of a baseline near zero means nothing, so it is left out when the 95% interval of the
    baseline's own mean holds 0 (as one seed's always does). With no yardstick left, any width is too wide: such a claim
    should state an effect.
    """
    own = mean_interval(baseline)
    shares = [] if own.contains(0.0) else [BASELINE_SHARE * abs((own.low + own.high) / 2)]
    limit = min([*map(abs, yardsticks), *shares], default=0.0)
    return interval.half_width > limit


def overall(judgements: Sequence[Judgement]) -> Verdict:
    """The verdict on a claim: contradicted if any relation is, shown if all are, else inconclusive."""
    verdicts = {judgement.verdict for judgement in judgements}
    if "contradicted" in verdicts:
        return "contradicted"
    return "shown" if verdicts == {"shown"} else "inconclusive"


def _differences(relation: Relation, values: Mapping[str, ArrayLike]) -> Float[np.ndarray, " seed"]:
    arms = [finite_scores(values[arm], arm, 1) for arm in relation.arms]
    if len({len(arm) for arm in arms}) > 1:
        given = ", ".join(f"{name} has {len(arm)}" for name, arm in zip(relation.arms, arms, strict=True))
        raise DataError(
            f"Arms of one relation are paired by seed, but {given} value(s). Measure all on the same seeds."
        )
    if relation.kind != "slope":
        return arms[0] - arms[1]
    at = np.asarray(relation.at if relation.at is not None else range(len(arms)), np.float64)
    return line_slope(at, np.stack(arms, axis=-1)) * (at[-1] - at[0])


def _verdict(relation: Relation, interval: Interval) -> Verdict:
    margin = relation.margin
    match relation.kind:
        case "greater":
            shown, contradicted = interval.above(margin), interval.below(margin)
        case "less":
            shown, contradicted = interval.below(-margin), interval.above(-margin)
        case "not worse":  # closed: arms that are equal everywhere are not worse
            shown, contradicted = interval.low >= -margin, interval.below(-margin)
        case "within":
            shown = -margin <= interval.low and interval.high <= margin
            contradicted = interval.above(margin) or interval.below(-margin)
        case "slope":
            rises, falls = interval.above(0.0), interval.below(0.0)
            shown, contradicted = (rises, falls) if relation.sign > 0 else (falls, rises)
    return "shown" if shown else "contradicted" if contradicted else "inconclusive"


def _yardsticks(relation: Relation, effect: float | None) -> list[float]:
    """What the half-width is held against: the stated effect, and a tolerance where the relation has one."""
    tolerance = [relation.margin] if relation.kind in ("not worse", "within") and relation.margin > 0 else []
    return tolerance + ([] if effect is None else [effect])


def _not_negative(name: str, margin: float) -> float:
    if not margin >= 0:
        raise SettingError(f"{name} was given margin={margin!r}; expected a tolerance of 0 or more.")
    return margin
