"""A cohort of people who engage or do not, helped by a policy with few hands: restless bandits of two states, in NumPy."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from pilothouse.core.errors import SettingError

Chances = Float[np.ndarray, "participant action state"]


def whittle_index(
    chances: Chances, *, discount: float = 0.95, rounds: int = 60
) -> Float[np.ndarray, "participant state"]:
    """The subsidy for doing nothing at which acting and not acting are worth the same, in each state.

    The reward is 1 where the next state is 1; `chances` are those of the next state being 1. By bisection, each subsidy's
    best policy found among the four that there are.

    **Raises:** `SettingError` unless 0 <= discount < 1.

    **Source:** Whittle (1988), "Restless bandits: activity allocation in a changing world".
    """
    if not 0 <= discount < 1:
        raise SettingError(f"discount={discount}; an index needs a discount in [0, 1).")
    found = np.empty((len(chances), 2))
    for state in (0, 1):
        low, high = np.full(len(chances), -2 / (1 - discount)), np.full(len(chances), 2 / (1 - discount))
        for _ in range(rounds):
            middle = (low + high) / 2
            gain = _gain_of_acting(chances, middle, discount)[:, state]
            low, high = np.where(gain > 0, middle, low), np.where(gain > 0, high, middle)
        found[:, state] = (low + high) / 2
    return found


def _gain_of_acting(chances: Chances, subsidy: np.ndarray, discount: float) -> Float[np.ndarray, "participant state"]:
    """How much better acting is than not, once, under the best policy for this subsidy."""
    best: np.ndarray | None = None
    for first in (0, 1):
        for second in (0, 1):
            p = np.stack([chances[:, first, 0], chances[:, second, 1]], axis=1)
            paid = p + subsidy[:, None] * (1 - np.array([first, second]))
            # V = paid + γ (V0 + p (V1 - V0)): the difference of the two states first.
            apart = (paid[:, 1] - paid[:, 0]) / (1 - discount * (p[:, 1] - p[:, 0]))
            bottom = (paid[:, 0] + discount * p[:, 0] * apart) / (1 - discount)
            value = np.stack([bottom, bottom + apart], axis=1)
            best = value if best is None else np.maximum(best, value)
    assert best is not None
    worth = 1 + discount * (best[:, 1] - best[:, 0])
    return (chances[:, 1] - chances[:, 0]) * worth[:, None] - subsidy[:, None]


@dataclass(frozen=True, eq=False)
class Cohort:
    """`chances`: of engaging next, by whether one is acted on and engages now; `begin`: who engages at first."""

    chances: Chances
    begin: Int[np.ndarray, " participant"]

    @classmethod
    def drawn(cls, participants: int, seed: int) -> Self:
        """People of all kinds: acting never hurts, and to engage makes engaging likelier."""
        generator = np.random.default_rng(seed)
        low = generator.uniform(0.05, 0.5, participants)
        stays = low + generator.uniform(0.1, 0.45, participants)
        idle = np.stack([low, stays], axis=1)
        helped = idle + (1 - idle) * generator.beta(1.0, 3.0, (participants, 2))
        return cls(np.stack([idle, helped], axis=1), generator.integers(0, 2, participants))

    def trials(
        self, index: Float[np.ndarray, "participant state"], *, trials: int, steps: int, budget: int, seed: int
    ) -> tuple[
        Int[np.ndarray, "trial participant step"], Bool[np.ndarray, "trial participant step"], np.ndarray, np.ndarray
    ]:
        """Trials with half of the cohort, drawn anew, under the `budget` highest indices, and the rest left alone.

        **Returns:** states before each step, who was acted on, the arm (1 is acted in) `[trial, participant]`, and the
        outcome, the number of steps after which one engaged, `[trial, participant]`.
        """
        generator, count = np.random.default_rng(seed), len(self.begin)
        arm = np.zeros((trials, count), np.int64)
        arm[:, : count // 2] = 1
        arm = generator.permuted(arm, axis=1)
        state = np.tile(self.begin, (trials, 1))
        states = np.empty((trials, count, steps), np.int64)
        acted = np.zeros((trials, count, steps), bool)
        people, outcome = np.arange(count), np.zeros((trials, count))
        for step in range(steps):
            states[:, :, step] = state
            wanted = np.where(arm == 1, index[people, state], -np.inf)
            chosen = np.argsort(-wanted, axis=1, kind="stable")[:, :budget]
            np.put_along_axis(acted[:, :, step], chosen, True, axis=1)
            chance = self.chances[people, acted[:, :, step].astype(int), state]
            state = (generator.random((trials, count)) < chance).astype(np.int64)
            outcome += state
        return states, acted, arm, outcome
