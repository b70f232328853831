"""How far to trust an explanation: tests that every attribution carries, by asking the policy itself.

An attribution is `values` `(observations, outputs, features)`: each feature's contribution to each output, measured
against background rows, in the output's units. Every test works on a policy's flat responses, whatever the policy is.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError
from pilothouse.explain.coalitions import answers, checked
from pilothouse.rollout.actors import Responses

Values = Float[np.ndarray, "observations outputs features"]

MOST_STEPS = 20
"""Points of a deletion curve: where there are more features, several go at a time."""

ROWS = 65_536
"""Mixed observations asked for at once."""

SAME, KEPT = 0.5, 0.5
"""What the sanity check asks: explained again, an explanation correlates at least so much with itself; with those of
randomised policies it keeps at most this share of that."""


class Curves(NamedTuple):
    """How the response goes over as features are taken from it, or given to it, the most important first.

    `deletion[k]`: how far the response has moved after k steps, as a share of how far it moves when all features are
    those of background rows. `insertion[k]`: how far it has come back from there. `…_at_random`: the same, in random
    orders. All run from 0 to 1; an explanation that finds what matters rises early.
    """

    deletion: Float[np.ndarray, " steps"]
    insertion: Float[np.ndarray, " steps"]
    deletion_at_random: Float[np.ndarray, " steps"]
    insertion_at_random: Float[np.ndarray, " steps"]

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve by trapezoids, the axis being the share of features; larger is better."""
        return area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve; larger is better."""
        return area(self.insertion)

    @property
    def gain(self) -> float:
        """By how much the mean of both areas is above that of random orders; 0 says nothing, at most near a half."""
        at_random = area(self.deletion_at_random) + area(self.insertion_at_random)
        return (self.deletion_area + self.insertion_area - at_random) / 2

    def as_json(self) -> dict[str, Any]:
        return {
            "deletion": self.deletion_area,
            "deletion_at_random": area(self.deletion_at_random),
            "insertion": self.insertion_area,
            "insertion_at_random": area(self.insertion_at_random),
            "gain": self.gain,
        }


class Sanity(NamedTuple):
    """Whether the explanation is one of this policy: randomising the policy must destroy it.

    `same`: rank correlation with the explanation made again, from other draws. `randomised`: mean rank correlation with
    explanations of randomised policies. Both over all observations and features, with signs.
    """

    same: float
    randomised: float

    @property
    def passed(self) -> bool:
        return bool(self.same >= SAME and self.randomised <= KEPT * self.same)

    def as_json(self) -> dict[str, Any]:
        return {"same": self.same, "randomised": self.randomised, "passed": self.passed}


def area(curve: Float[np.ndarray, " steps"]) -> float:
    """By trapezoids, over an axis from 0 to 1."""
    return float((curve[:-1] + curve[1:]).mean() / 2)


def importance(values: Values) -> Float[np.ndarray, "observations features"]:
    """How much of a response each feature carries: absolute contributions, added over the outputs."""
    return np.abs(values).sum(axis=1)


def curves(
    function: Responses,
    obs: Float[np.ndarray, "observations features"],
    background: Float[np.ndarray, "rows _"],
    ranking: Float[np.ndarray, "observations _"],
    at_random: tuple[np.ndarray, np.ndarray] | None = None,
) -> Curves:
    """Deletion and insertion curves of a ranking (larger is more important), beside those of random orders.

    A deleted feature is that of background rows, each in turn; how far a response has moved is the sum over outputs of
    its absolute difference, averaged over the rows. `at_random`: `random_curves` of the same, made once for several
    rankings; None makes them here.

    **Source:** Petsiuk, Das and Saenko, "RISE", arXiv:1806.07421; the random orders are ours.
    """
    obs, background = checked(obs, background)
    if ranking.shape != obs.shape:
        raise DataError(f"A ranking of shape {ranking.shape} for observations of shape {obs.shape}; expected as many.")
    taken, given = _curves(function, obs, background, np.argsort(-ranking, axis=1, kind="stable"))
    return Curves(taken, given, *(random_curves(function, obs, background) if at_random is None else at_random))


def random_curves(
    function: Responses,
    obs: Float[np.ndarray, "observations features"],
    background: Float[np.ndarray, "rows features"],
    *,
    orders: int = 8,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean deletion and insertion curve over random orders, drawn for each observation."""
    generator = np.random.default_rng(seed)
    drawn = [_curves(function, obs, background, _orders(obs.shape, generator)) for _ in range(orders)]
    taken, given = np.mean(drawn, axis=0)
    return taken, given


def _orders(shape: tuple[int, ...], generator: np.random.Generator) -> Int[np.ndarray, "observations features"]:
    return np.argsort(generator.random(shape), axis=1)


def _curves(
    function: Responses, obs: np.ndarray, background: np.ndarray, order: Int[np.ndarray, "observations features"]
) -> tuple[np.ndarray, np.ndarray]:
    features = obs.shape[1]
    steps = np.unique(np.linspace(0, features, min(features, MOST_STEPS) + 1).round().astype(int))
    rank = np.argsort(order, axis=1)[:, None, :]
    early = rank < steps[None, :, None]  # the features dealt with after each number of steps
    before = np.asarray(function(obs), np.float64)
    moved, left = (_moved(function, obs, before, known, background) for known in (~early, early))
    whole = moved[:, -1].mean()
    if whole <= 1e-12:  # nothing that is seen changes the response: no order is better than another
        even = steps / features
        return even, even
    return moved.mean(axis=0) / whole, 1 - left.mean(axis=0) / whole


def _moved(
    function: Responses, obs: np.ndarray, before: np.ndarray, known: np.ndarray, background: np.ndarray
) -> Float[np.ndarray, "observations steps"]:
    """How far each response moves when only the `known` features `(observations, steps, features)` are its own."""
    together = max(1, ROWS // (known.shape[1] * len(background)))
    parts = [slice(start, start + together) for start in range(0, len(obs), together)]
    return np.concatenate([_moved_together(function, obs[p], before[p], known[p], background) for p in parts])


def _moved_together(
    function: Responses, obs: np.ndarray, before: np.ndarray, known: np.ndarray, background: np.ndarray
) -> np.ndarray:
    mixed = np.where(known[:, :, None, :], obs[:, None, None, :], background)
    said = np.asarray(function(mixed.reshape(-1, obs.shape[1])), np.float64).reshape(*mixed.shape[:3], -1)
    return np.abs(said - before[:, None, None, :]).sum(axis=3).mean(axis=2)


def infidelity(
    function: Responses,
    obs: Float[np.ndarray, "observations features"],
    background: Float[np.ndarray, "rows _"],
    values: Values,
    *,
    sets: int = 64,
    seed: int = 0,
) -> float:
    """How wrong the contributions are about what happens when several features are taken away together.

    The mean squared difference between the contributions of a random set of features and the change in the response
    when these are the background's, as a share of the mean squared change: 0 is exact, 1 is no better than saying
    "nothing". A feature is in the set with probability one half; all sets are taken where they are at most `sets`. NaN
    where no response changes.

    **Source:** Yeh, Hsieh, Suggala, Inouye and Ravikumar, "On the (In)fidelity and Sensitivity of Explanations",
    arXiv:1901.09392, definition 2.1, with perturbations to the background; the share is ours.
    """
    features = obs.shape[1]
    if 2**features - 1 <= sets:
        gone = (np.arange(1, 2**features)[:, None] >> np.arange(features)) & 1 == 1
    else:
        gone = np.random.default_rng(seed).random((sets, features)) < 0.5
    before = np.asarray(function(np.asarray(obs)), np.float64)[:, None, :]
    change = before - answers(function, obs, background, ~gone)
    said = np.einsum("nof,sf->nso", values, gone.astype(float))
    size = float((change**2).mean())
    return float(((said - change) ** 2).mean()) / size if size > 1e-24 else float("nan")


def max_sensitivity(
    explain: Callable[[Float[np.ndarray, "observations features"]], Values],
    obs: Float[np.ndarray, "observations features"],
    radius: Float[np.ndarray, " features"],
    *,
    draws: int = 8,
    seed: int = 0,
) -> float:
    """How much an explanation changes, at most, when the observation hardly does; the mean over observations.

    The largest norm of the change in `values` over `draws` observations drawn evenly from the box of half-width
    `radius`, as a share of the norm of `values`. 0 never changes; above 1 the explanation is more noise than signal.

    **Source:** Yeh et al., arXiv:1901.09392, definition 3.1, as a share.
    """
    generator = np.random.default_rng(seed)
    before = explain(obs)
    norm = np.maximum(np.sqrt((before**2).sum(axis=(1, 2))), 1e-12)
    worst = np.zeros(len(obs))
    for _ in range(draws):
        moved = obs + radius * generator.uniform(-1, 1, obs.shape)
        apart = np.sqrt(((explain(moved.astype(obs.dtype)) - before) ** 2).sum(axis=(1, 2)))
        worst = np.maximum(worst, apart / norm)
    return float(worst.mean())


def rank_correlation(a: Float[np.ndarray, "rows entries"], b: Float[np.ndarray, "rows entries"]) -> np.ndarray:
    """Spearman's correlation of each row of `a` with that of `b`; ties share ranks, and 0 where a row is constant."""
    one, other = (scipy.stats.rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (a, b))
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.where(size > 0, (one * other).sum(axis=1) / np.maximum(size, 1e-300), 0.0)


def agreement(a: Values, b: Values) -> float:
    """How far two explanations rank the features alike: the mean over observations of Spearman's correlation."""
    return float(rank_correlation(importance(a), importance(b)).mean())


def likeness(a: Values, b: Values) -> float:
    """Rank correlation of two explanations with their signs, over all observations and features together.

    The mean over outputs, each weighed by how much of `a` it carries; 0 where either explains nothing.
    """
    weight = np.abs(a).sum(axis=(0, 2))
    if weight.sum() <= 1e-12 * max(a.size, 1) or np.abs(b).sum() <= 1e-12 * max(b.size, 1):
        return 0.0
    flat = [np.swapaxes(x, 0, 1).reshape(x.shape[1], -1) for x in (a, b)]
    return float((rank_correlation(flat[0], flat[1]) * weight).sum() / weight.sum())


def sanity(values: Values, again: Values, randomised: Sequence[Values]) -> Sanity:
    """The sanity check, of an explanation, the same made again, and those of randomised policies.

    An explanation that does not read the policy is as like itself on any other: it fails. So does one that is another
    each time, and one of a policy whose response does not depend on what it sees.

    **Source:** Adebayo et al., "Sanity Checks for Saliency Maps", arXiv:1810.03292; that it must be like itself is ours.
    """
    return Sanity(likeness(values, again), float(np.mean([likeness(values, other) for other in randomised])))
