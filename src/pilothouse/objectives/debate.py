r"""Debates about decisions: two sides reveal features of an observation in turn, and a judge sees only what was revealed.

One side argues that its action is better than another's, and wants the judge's margin large; the other wants it small.
What was revealed is a set, so the game has as many positions as there are small sets of features, and backward induction
over them solves it exactly, for all observations of a batch at once.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.objectives.preference import logistic_preference_loss

MOST = 4096
"""Final positions: the judge is asked about every one for every row."""


@dataclass(frozen=True)
class Debate:
    """The game on so many features in which each side reveals `each` of them, the side for the action first.

    **Raises:** `SettingError` where there are too few features for that, or more than `MOST` final positions.
    """

    features: int
    each: int

    def __post_init__(self) -> None:
        if 2 * self.each > self.features:
            raise SettingError(
                f"evidence={self.each}: two sides reveal {2 * self.each} features, and there are {self.features}. "
                f"Give at most {self.features // 2}."
            )
        if (positions := comb(self.features, 2 * self.each)) > MOST:
            raise SettingError(
                f"evidence={self.each} of {self.features} features makes {positions} final positions of a debate; expected "
                f"at most {MOST}. Give less evidence, or fewer features."
            )

    @cached_property
    def evidence(self) -> Bool[np.ndarray, "sets features"]:
        """Everything that may have been revealed at the end."""
        sets = self._sets(2 * self.each)
        return np.array([[feature in one for feature in range(self.features)] for one in sets])

    @cached_property
    def rounds(self) -> tuple[Int[np.ndarray, "sets open"], ...]:
        """For every reveal, the first first: what each position may lead to, by its number among the next ones."""
        return tuple(self._round(size) for size in range(2 * self.each))

    def value(self, margin: Float[Array, "sets *rest"]) -> Float[Array, "*rest"]:
        """The margin that both sides, playing as well as can be, come to; `margin` is the judge's, by final evidence."""
        for number in reversed(range(len(self.rounds))):
            after = margin[self.rounds[number]]
            margin = after.max(axis=1) if number % 2 == 0 else after.min(axis=1)
        return margin[0]

    def _sets(self, size: int) -> list[tuple[int, ...]]:
        return list(combinations(range(self.features), size))

    def _round(self, size: int) -> Int[np.ndarray, "sets open"]:
        place = {one: number for number, one in enumerate(self._sets(size + 1))}
        return np.array(
            [
                [place[tuple(sorted((*one, feature)))] for feature in range(self.features) if feature not in one]
                for one in self._sets(size)
            ]
        )


def shown(
    obs: Float[Array, "*batch features"], evidence: Bool[Array, "*each features"]
) -> Float[Array, "*batch twice"]:
    """What a judge sees: the features revealed, 0 for the others, and which were. One set of evidence, or one for each."""
    said = evidence.astype(obs.dtype)
    return jnp.concatenate([obs * said, jnp.broadcast_to(said, obs.shape)], axis=-1)


def judging(game: Debate, choices: int) -> Loss:
    """The judge prefers what was done to another action drawn at random, by final evidence drawn at random. Trains `judge`."""

    def judge(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        rows = batch.obs.shape[0]
        final = jnp.asarray(game.evidence)[jax.random.randint(named(key, "evidence"), (rows,), 0, len(game.evidence))]
        scores = jax.vmap(parts["judge"])(shown(batch.obs, final))
        other = (batch.action + jax.random.randint(named(key, "other"), (rows,), 1, choices)) % choices
        margin = scores[jnp.arange(rows), batch.action] - scores[jnp.arange(rows), other]
        return logistic_preference_loss(margin, beta=1.0).mean(), {"judge/agrees": (margin > 0).mean()}

    return judge


def outcomes(
    game: Debate, judge: Any, obs: Float[Array, "rows features"], action: Int[Array, " rows"]
) -> Float[Array, " rows"]:
    """What debates about these decisions come to, in (-1, 1): 1 where the judge is sure of the action.

    Twice the probability that the judge, who scores every action by what it was shown, prefers the action to another,
    less one; the mean over all others.
    """
    scores = jax.vmap(lambda final: jax.vmap(judge)(shown(obs, final)))(jnp.asarray(game.evidence))
    mine = jnp.take_along_axis(scores, action[None, :, None], axis=2)
    debated = jnp.tanh(game.value(mine - scores) / 2)  # against itself an action comes to 0
    return debated.sum(axis=1) / (scores.shape[2] - 1)
