"""What the tests of off-policy estimators share: a small world, two policies, and every episode that can be."""

from dataclasses import dataclass

import numpy as np

from pilothouse.evaluate.importance import Values
from pilothouse.evaluate.logged import Logged
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import action_values, expected_return, values

DISCOUNT = 0.9
BEHAVIOUR = np.array([[0.5, 0.5], [0.6, 0.4], [0.5, 0.5], [0.5, 0.5]])
TARGET = np.array([[0.7, 0.3], [0.35, 0.65], [0.6, 0.4], [0.5, 0.5]])


def small_world(*, certain: bool = False) -> Tabular:
    """Four states, the last terminal, two actions, rewards in [0, 1]; episodes of any length, about 3 steps."""
    generator = np.random.default_rng(3)
    transition = generator.dirichlet(np.ones(4), (4, 2))
    transition[..., 3] += 0.3
    transition /= transition.sum(-1, keepdims=True)
    start = [0.5, 0.3, 0.2, 0]
    if certain:  # 0 -> 1 or 2, 1 -> 2 or 3, 2 -> 3, from one start
        transition = np.eye(4)[np.array([[1, 2], [2, 3], [3, 3], [3, 3]])]
        start = [1, 0, 0, 0]
    return Tabular.of(transition, generator.random((4, 2)), start=start, terminal=[0, 0, 0, 1], horizon=400)


@dataclass
class Case:
    """A log, the exact values by row, and the exact value of the target policy."""

    logged: Logged
    exact: Values
    truth: float
    obs: np.ndarray
    action: np.ndarray
    next_obs: np.ndarray


def case(episodes: int, seed: int, *, target=TARGET, behaviour=BEHAVIOUR, certain: bool = False) -> Case:
    world = small_world(certain=certain)
    data = tabular_log(world, behaviour, episodes=episodes, seed=seed)
    obs, action = data.obs, data.action
    logged = Logged.of(data, behaviour=behaviour[obs, action], target=target[obs, action], discount=DISCOUNT)
    q, v = action_values(world, target, discount=DISCOUNT), values(world, target, discount=DISCOUNT)
    truth = expected_return(world, target, discount=DISCOUNT)
    return Case(logged, Values(q[obs, action], v[obs]), truth, obs, action, data.next_obs)


@dataclass
class Everything:
    """Every episode of at most `steps` steps with its probability: means and variances over it are exact."""

    logged: Logged
    chance: np.ndarray
    exact: Values
    wrong: Values
    truth: float

    def mean(self, terms: np.ndarray) -> float:
        return float(self.chance @ terms)

    def variance(self, terms: np.ndarray) -> float:
        return float(self.chance @ terms**2) - self.mean(terms) ** 2


def everything(steps: int = 3) -> Everything:
    """The small world cut after `steps`, walked through in full; the values are those of the cut world, by time."""
    world = small_world()
    transition, reward = np.asarray(world.transition, float), np.asarray(world.reward, float)
    transition /= transition.sum(-1, keepdims=True)
    v = np.zeros((steps + 1, 4))
    q = np.zeros((steps, 4, 2))
    for time in reversed(range(steps)):
        q[time] = reward + DISCOUNT * transition @ v[time + 1]
        v[time] = (TARGET * q[time]).sum(1)
        v[time, 3] = 0.0
    paths: list[tuple[float, list[tuple[int, int, bool]]]] = []

    def walk(state: int, chance: float, rows: list[tuple[int, int, bool]]) -> None:
        if state == 3 or len(rows) == steps:
            paths.append((chance, rows))
            return
        for action in range(2):
            for after in np.flatnonzero(transition[state, action]):
                odds = chance * BEHAVIOUR[state, action] * transition[state, action, after]
                walk(int(after), odds, [*rows, (state, action, bool(after == 3))])

    for state, odds in enumerate(np.asarray(world.start, float)):
        if odds:
            walk(state, odds, [])
    episode = np.repeat(np.arange(len(paths)), [len(rows) for _, rows in paths])
    obs, action, over = (np.array(part) for part in zip(*(row for _, rows in paths for row in rows), strict=True))
    logged = Logged.of_arrays(
        reward[obs, action], episode, terminated=over, behaviour=BEHAVIOUR[obs, action], target=TARGET[obs, action],
        discount=DISCOUNT,
    )  # fmt: skip
    time = logged.time
    exact = Values(q[time, obs, action], v[time, obs])
    guess = np.random.default_rng(0).normal(size=(4, 2))
    wrong = Values(guess[obs, action], (TARGET * guess).sum(1)[obs])
    truth = float(np.asarray(world.start, float) @ v[0])
    return Everything(logged, np.array([chance for chance, _ in paths]), exact, wrong, truth)
