"""Conjoint analysis: how much each factor of what is judged moves the judgement, the others being what they are."""

from typing import NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float
from numpy.typing import ArrayLike

from pilothouse.core.errors import DataError
from pilothouse.statistics.interval import Interval, check_level, finite_scores


class ComponentEffects(NamedTuple):
    """`effect` of every factor, and the half-width of its interval, in the unit of the answers."""

    effect: Float[np.ndarray, " factor"]
    half_width: Float[np.ndarray, " factor"]
    level: float

    def interval(self, factor: int) -> Interval:
        centre, half = float(self.effect[factor]), float(self.half_width[factor])
        return Interval(centre - half, centre + half, self.level)


def component_effects(factors: ArrayLike, answers: ArrayLike, *, level: float = 0.95) -> ComponentEffects:
    """Average marginal component effects (AMCE): what a factor's presence adds to the mean answer, over the others' mix.

    `factors` `[story, factor]`, 1 where it is present, 0 where not; `answers` `[story]`, such as the share who say yes.
    By least squares on all factors at once, which is the difference of means where factors were drawn independently, and
    is not fooled where two go together. Intervals are robust to unequal spread (HC2). The differences of two judges'
    answers to the same stories give the differences of their effects, paired.

    **Raises:** `DataError` for other numbers than those, too few stories, or a factor that cannot be told from the others
    (always present, or together with another).

    **Source:** Hainmueller, Hopkins and Yamamoto (2014), "Causal inference in conjoint analysis", sections 3 and 4;
    MacKinnon and White (1985) for HC2.
    """
    check_level(level)
    present, said = finite_scores(factors, "factors", 2), finite_scores(answers, "answers", 1)
    if len(present) != len(said) or not np.isin(present, (0, 1)).all():
        raise DataError(f"Factors of {len(present)} stories, 0 or 1 each, for {len(said)} answers; give one a story.")
    design = np.column_stack([np.ones(len(present)), present])
    if len(said) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        raise DataError(
            f"{len(said)} stories do not tell {present.shape[1]} factors apart: each must be present in some and absent in "
            "others, and no two always together."
        )
    inverse = np.linalg.inv(design.T @ design)
    hat = design @ inverse
    coefficients = hat.T @ said
    leverage = np.clip((hat * design).sum(axis=1), 0, 1 - 1e-9)
    residual = said - design @ coefficients
    spread = hat.T @ (hat * (residual**2 / (1 - leverage))[:, None])
    quantile = float(scipy.special.stdtrit(len(said) - design.shape[1], (1 + level) / 2))
    return ComponentEffects(coefficients[1:], quantile * np.sqrt(np.diag(spread)[1:]), level)
