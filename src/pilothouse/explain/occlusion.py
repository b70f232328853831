"""What must have happened out of sight: hidden stretches of an episode inferred from both ends, and surprise at what is seen.

Three models are learned from episodes that were seen whole, whose stretches are hidden for the purpose, so nobody has to say
what was hidden where. *Infilling* says what happened in between, from what was seen before and after; *dynamics* says what
comes next, from the last two observations; *foreseeing* says what will be seen first after the stretch, from what was seen
before alone. An episode is surprising where what is seen does not follow from what must have happened.

**Source:** Dai et al., "X-VoE: Measuring eXplanatory Violation of Expectation in Physical Events", arXiv:2308.10441. Theirs
perceives pictures and reasons by a transformer; here observations are given as numbers, and models are small perceptrons.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from pilothouse.core.errors import DataError

SEEN = 2
"""Observations on each side of a hidden stretch that are looked at: a place and how it changes."""

Stretches = Float[np.ndarray, "rows steps features"]
"""`SEEN` steps, the hidden ones, and `SEEN` more."""


@dataclass(frozen=True)
class Surprise:
    """How much each stretch surprises, mean squared, in units of each feature's deviation.

    `explained`: how far the borders of the hidden part are from what the dynamics say of what was inferred there.
    `foreseen`: how far what is seen first after it is from what was foreseen.
    """

    explained: Float[np.ndarray, " rows"]
    foreseen: Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class Occlusion:
    """What was learned: how features are standardised, how long stretches are, and the three models."""

    mean: Float[np.ndarray, " features"]
    spread: Float[np.ndarray, " features"]
    hidden: int
    infilling: Any
    dynamics: Any
    foreseeing: Any

    def infilled(self, rows: Stretches) -> Float[np.ndarray, "rows hidden features"]:
        """What must have happened in the hidden part; what stands there is not looked at."""
        said = self.infilling.predict(_sides(self._standard(rows), self.hidden))
        return said.reshape(len(rows), self.hidden, -1) * self.spread + self.mean

    def surprise(self, rows: Stretches) -> Surprise:
        """Of stretches, whose hidden parts are not looked at."""
        known = self._standard(rows).copy()
        known[:, SEEN:-SEEN] = (self.infilled(rows) - self.mean) / self.spread
        first, last = SEEN, SEEN + self.hidden
        gaps = [
            _gap(self.dynamics.predict(_flat(known[:, step - 2 : step])), known[:, step])
            for step in (first, first + 1, last, last + 1)  # every step that both a seen and an inferred one bear on
        ]
        return Surprise(np.mean(gaps, axis=0), _gap(self.foreseeing.predict(_flat(known[:, :SEEN])), known[:, last]))

    def _standard(self, rows: Stretches) -> Stretches:
        return (rows - self.mean) / self.spread


def stretches(obs: Float[np.ndarray, "time features"], hidden: int) -> Stretches:
    """Every stretch of an episode with so many steps hidden; none of one that is too short."""
    length = hidden + 2 * SEEN
    starts = range(len(obs) - length + 1)
    return np.stack([obs[at : at + length] for at in starts]) if starts else np.zeros((0, length, obs.shape[1]))


def learn_occlusion(rows: Stretches, *, width: int = 64, updates: int = 200, seed: int = 0) -> Occlusion:
    """Learn from stretches that were seen whole. **Raises:** `DataError` for fewer than 10 of them."""
    if len(rows) < 10:
        raise DataError(
            f"{len(rows)} whole stretches; expected at least 10. Watch more or longer episodes, or hide less."
        )
    flat = rows.reshape(-1, rows.shape[2])
    mean, spread = flat.mean(axis=0), flat.std(axis=0)
    spread = np.where(spread > 1e-8, spread, 1.0)
    rows, hidden = (rows - mean) / spread, rows.shape[1] - 2 * SEEN

    def fitted(inputs: np.ndarray, outputs: np.ndarray) -> MLPRegressor:
        model = MLPRegressor(
            hidden_layer_sizes=(width, width),
            max_iter=updates,
            n_iter_no_change=updates,
            learning_rate_init=3e-3,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many passes were asked for
            return model.fit(inputs, outputs if outputs.shape[1] > 1 else outputs[:, 0])

    pairs = np.concatenate([rows[:, at : at + 3] for at in range(rows.shape[1] - 2)])
    pairs = pairs[np.random.default_rng(seed).permutation(len(pairs))[: 2 * len(rows)]]
    return Occlusion(
        mean,
        spread,
        hidden,
        fitted(_sides(rows, hidden), _flat(rows[:, SEEN:-SEEN])),
        fitted(_flat(pairs[:, :2]), pairs[:, 2]),
        fitted(_flat(rows[:, :SEEN]), rows[:, SEEN + hidden]),
    )


def between(rows: Stretches) -> Float[np.ndarray, "rows hidden features"]:
    """The straight line through the hidden part, from the last thing seen before it to the first after."""
    hidden = rows.shape[1] - 2 * SEEN
    share = (np.arange(1, hidden + 1) / (hidden + 1))[None, :, None]
    return (1 - share) * rows[:, SEEN - 1][:, None] + share * rows[:, -SEEN][:, None]


def _sides(rows: Stretches, hidden: int) -> Float[np.ndarray, "rows inputs"]:
    return np.concatenate([_flat(rows[:, :SEEN]), _flat(rows[:, SEEN + hidden :])], axis=1)


def _flat(rows: Float[np.ndarray, "rows steps features"]) -> Float[np.ndarray, "rows entries"]:
    return rows.reshape(len(rows), -1)


def _gap(said: np.ndarray, seen: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, " rows"]:
    return ((said.reshape(seen.shape) - seen) ** 2).mean(axis=1)
