r"""What does it want: utilities behind forced choices, and which choices to ask for next.

Outcomes are numbered from 0. Thurstone's model gives outcome i a utility drawn anew for every choice, normal with mean
$\mu_i$ and deviation $\sigma_i$, so that i is preferred to j with probability
$\Phi((\mu_i - \mu_j) / \sqrt{\sigma_i^2 + \sigma_j^2})$.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float, Int

from pilothouse.core.errors import DataError, SettingError

Pairs = Int[np.ndarray, "pair 2"]

Chooser = Callable[[Pairs], Bool[np.ndarray, " pair"]]
"""`chooser(pairs)` -> for each pair, shown in this order, whether the first was chosen."""


class Choices(NamedTuple):
    """`pairs` that were asked, the `share` of answers that chose the first of each, and of how many `answers`."""

    pairs: Pairs
    share: Float[np.ndarray, " pair"]
    answers: Float[np.ndarray, " pair"]

    def joined(self, more: "Choices") -> "Choices":
        pairs, share, answers = (np.concatenate(both) for both in zip(self, more, strict=True))
        return Choices(pairs, share, answers)


class Utilities(NamedTuple):
    """`mean` and `deviation` of every outcome; means have mean 0 and standard deviation 1 over outcomes."""

    mean: Float[np.ndarray, " outcome"]
    deviation: Float[np.ndarray, " outcome"]

    def prefers(self, pairs: Pairs) -> Float[np.ndarray, " pair"]:
        """The probability that the first of each pair is preferred."""
        first, second = np.asarray(pairs).T
        spread = np.hypot(self.deviation[first], self.deviation[second])
        return scipy.special.ndtr((self.mean[first] - self.mean[second]) / spread)


def thurstonian(choices: Choices, outcomes: int, *, ridge: float = 0.05) -> Utilities:
    """The utilities of largest likelihood, means and logarithms of deviations held towards 0 by `ridge`.

    Without a ridge an outcome that was always chosen would be worth infinitely much, and scale and deviations could grow
    together.

    **Raises:** `DataError` for no choices, or outcomes that are not among so many; `SettingError` unless the ridge is above 0.

    **Source:** Thurstone (1927), "A law of comparative judgment".
    """
    pairs = np.asarray(choices.pairs)
    if not len(pairs) or pairs.min() < 0 or pairs.max() >= outcomes:
        raise DataError(
            f"{len(pairs)} choices among {outcomes} outcomes; expected at least one, of outcomes from 0 on."
        )
    if not ridge > 0:
        raise SettingError(f"ridge={ridge}; expected a number above 0.")
    first, second = pairs.T

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        mean, log_deviation = free[:outcomes], free[outcomes:]
        variance = np.exp(2 * log_deviation)
        spread = np.sqrt(variance[first] + variance[second])
        z = (mean[first] - mean[second]) / spread
        yes, no = scipy.special.log_ndtr(z), scipy.special.log_ndtr(-z)
        value = (
            -(choices.answers * (choices.share * yes + (1 - choices.share) * no)).sum() + ridge * (free**2).sum() / 2
        )
        bell = -(z**2) / 2 - np.log(2 * np.pi) / 2
        slope = -choices.answers * (choices.share * np.exp(bell - yes) - (1 - choices.share) * np.exp(bell - no))
        gradient = ridge * free
        np.add.at(gradient, first, slope / spread)
        np.add.at(gradient, second, -slope / spread)
        for one in (first, second):
            np.add.at(gradient, outcomes + one, -slope * z * variance[one] / spread**2)
        return float(value), gradient

    free = scipy.optimize.minimize(loss, np.zeros(2 * outcomes), jac=True, method="BFGS").x
    mean = free[:outcomes] - free[:outcomes].mean()
    scale = max(float(mean.std()), 1e-12)
    return Utilities(mean / scale, np.exp(free[outcomes:]) / scale)


def first_pairs(outcomes: int, count: int, generator: np.random.Generator) -> Pairs:
    """Pairs in which every outcome occurs about equally often: neighbours in random rings, no pair twice.

    **Raises:** `SettingError` for fewer than two outcomes, or more pairs than there are.
    """
    if outcomes < 2 or not 1 <= count <= outcomes * (outcomes - 1) // 2:
        raise SettingError(
            f"{count} pairs of {outcomes} outcomes; expected from 1 to {outcomes * (outcomes - 1) // 2}."
        )
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        ring = generator.permutation(outcomes)
        for one, other in zip(ring, np.roll(ring, -1), strict=True):
            found.setdefault((int(min(one, other)), int(max(one, other))))
    return np.array(list(found)[:count])


def next_pairs(
    utilities: Utilities,
    asked: Pairs,
    count: int,
    generator: np.random.Generator,
    *,
    closest: float = 0.1,
    least_asked: float = 0.2,
) -> Int[np.ndarray, "chosen 2"]:
    """Pairs not yet asked whose means lie close together and whose outcomes were asked of little.

    Drawn from those among the `closest` share by distance and the `least_asked` share by how often both occurred; both
    shares grow by half until there are enough.

    **Source:** Mazeika et al., arXiv:2502.08640, and the authors' code for shares and growth.
    """
    outcomes = len(utilities.mean)
    first, second = np.triu_indices(outcomes, 1)
    known = np.zeros((outcomes, outcomes), bool)
    known[tuple(np.sort(asked, axis=1).T)] = True
    often = np.bincount(np.asarray(asked).ravel(), minlength=outcomes)
    left = ~known[first, second]
    first, second = first[left], second[left]
    count = min(count, len(first))
    if not count:
        return np.zeros((0, 2), np.int64)
    apart, occurred = np.abs(utilities.mean[first] - utilities.mean[second]), often[first] + often[second]
    while True:
        near = apart <= np.quantile(apart, min(closest, 1.0))
        rare = occurred <= np.quantile(occurred, min(least_asked, 1.0))
        chosen = np.flatnonzero(near & rare)
        if len(chosen) >= count:
            chosen = generator.choice(chosen, count, replace=False)
            return np.stack([first[chosen], second[chosen]], axis=1)
        closest, least_asked = 1.5 * closest, 1.5 * least_asked


def ask(chooser: Chooser, pairs: Pairs, *, answers: int) -> Choices:
    """Ask for each pair so many times in either order, so that a liking for the first place cancels."""
    straight = np.stack([chooser(pairs) for _ in range(answers)]).mean(axis=0)
    turned = np.stack([chooser(pairs[:, ::-1]) for _ in range(answers)]).mean(axis=0)
    return Choices(np.asarray(pairs), (straight + 1 - turned) / 2, np.full(len(pairs), 2.0 * answers))


def elicit(
    chooser: Chooser,
    outcomes: int,
    *,
    pairs: int,
    per_round: int = 20,
    answers: int = 5,
    active: bool = True,
    seed: int = 0,
    known: Choices | None = None,
) -> tuple[Choices, Utilities]:
    """Ask about so many pairs, and fit: `active` chooses them in rounds by what was answered, else they are drawn at once.

    `known` are choices that were made before, and count among what is fitted, not among the pairs.
    """
    generator = np.random.default_rng(seed)
    begin = pairs if not active else min(pairs, outcomes)
    got = ask(chooser, first_pairs(outcomes, begin, generator), answers=answers)
    got = got if known is None else known.joined(got)
    spent, found = begin, thurstonian(got, outcomes)
    while spent < pairs:
        more = next_pairs(found, got.pairs, min(per_round, pairs - spent), generator)
        if not len(more):
            break
        got = got.joined(ask(chooser, more, answers=answers))
        spent, found = spent + len(more), thurstonian(got, outcomes)
    return got, found


class Fidelity(NamedTuple):
    """How well utilities foretell choices that they were not fitted to: how often the likelier outcome was the one mostly
    chosen (ties aside), and the mean negative logarithm of the probability of an answer (0.693 for a coin)."""

    accuracy: float
    log_loss: float


def fidelity(utilities: Utilities, choices: Choices) -> Fidelity:
    """Against other choices. Raises `DataError` for none."""
    if not len(choices.pairs):
        raise DataError("No choices to foretell; hold some out.")
    chance = np.clip(utilities.prefers(choices.pairs), 1e-9, 1 - 1e-9)
    clear = choices.share != 0.5
    right = (chance > 0.5) == (choices.share > 0.5)
    accuracy = float(right[clear].mean()) if clear.any() else 0.5
    surprise = -(choices.share * np.log(chance) + (1 - choices.share) * np.log(1 - chance))
    return Fidelity(accuracy, float(np.average(surprise, weights=choices.answers)))


def cyclic_share(prefers: Float[np.ndarray, "outcome outcome"]) -> float:
    """The chance that three outcomes drawn at random are preferred in a circle; 1/4 for a coin, 0 for an order.

    `prefers[i, j]` is the probability that i is preferred to j. Raises `DataError` for fewer than three outcomes.
    """
    p = np.asarray(prefers, np.float64)
    count = len(p)
    if count < 3:
        raise DataError(f"{count} outcomes make no circle; expected at least 3.")
    p = np.where(np.eye(count, dtype=bool), 0.0, p)
    # tr(p³) counts each circle three times, of each of two directions; there are C(n, 3) triples.
    return float(np.trace(p @ p @ p) / 3 / (count * (count - 1) * (count - 2) / 6))
