"""Tabular data of choices with a chance to win: what the best choice is must be learned from how often each one won."""

import numpy as np

from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.worlds.tabular import Tabular

CONTEXTS, ACTIONS = 10, 4
WON, LOST, OVER = CONTEXTS, CONTEXTS + 1, CONTEXTS + 2


def choices_with_chance(share: float, rows: int, *, seed: int = 0) -> tuple[Tabular, Dataset]:
    """A world, and so many rows from it by a policy that takes each context's best action with probability `share`.

    An action in one of ten contexts wins or loses at random; whatever is then done ends the episode, with a reward of 1 if
    it was won. The best action of a context wins in 7 of 10 episodes, the other three in up to 6, drawn anew for each.
    """
    draw = np.random.default_rng(seed)
    chance = draw.uniform(0.0, 0.6, (CONTEXTS, ACTIONS))
    best = draw.integers(ACTIONS, size=CONTEXTS)
    chance[np.arange(CONTEXTS), best] = 0.7
    transition = np.zeros((OVER + 1, ACTIONS, OVER + 1))
    transition[:CONTEXTS, :, WON], transition[:CONTEXTS, :, LOST] = chance, 1 - chance
    transition[WON:, :, OVER] = 1.0
    reward = np.zeros((OVER + 1, ACTIONS))
    reward[WON] = 1.0
    states = np.arange(OVER + 1)
    world = Tabular.of(transition, reward, start=(states < CONTEXTS) / CONTEXTS, terminal=states == OVER)

    number = rows // 2
    context = draw.integers(CONTEXTS, size=number)
    other = (best[context] + draw.integers(1, ACTIONS, size=number)) % ACTIONS
    action = np.where(draw.random(number) < share, best[context], other)
    outcome = np.where(draw.random(number) < chance[context, action], WON, LOST)

    def in_turn(first: np.ndarray, second: np.ndarray | int) -> np.ndarray:
        return np.stack([first, np.broadcast_to(second, number)], axis=1).reshape(-1)

    made = {
        "obs": in_turn(context, outcome),
        "action": in_turn(action, draw.integers(ACTIONS, size=number)),
        "reward": in_turn(np.zeros(number), (outcome == WON).astype(float)).astype(np.float32),
        "next_obs": in_turn(outcome, OVER),
        "terminated": in_turn(np.zeros(number, bool), True),
        "truncated": np.zeros(2 * number, bool),
    }
    return world, dataset_from_transitions(made, world.spec, name="choices-with-chance")
