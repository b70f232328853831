"""Ways to learn to play an environment of words in so many episodes: what an agent may get better at.

An agent is given the environment, how many episodes it may learn from, and a generator; it returns how it plays: a function
of the observations of an episode so far and of the actions taken in it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from pilothouse.worlds.layered import Layered

Player = Callable[[Sequence[str], Sequence[str]], str]
"""`play(observations, actions) -> action`: all of this episode's so far, the newest last."""
Agent = Callable[[Layered, int, np.random.Generator], Player]
"""`agent(environment, episodes, generator) -> how it plays then`."""

DISCOUNT, CURIOUS = 0.95, 0.3


def episode(
    environment: Layered, play: Player, generator: np.random.Generator
) -> tuple[list[str], list[str], list[float]]:
    """Observations (one more than actions), actions and rewards of one episode."""
    observations, actions, rewards = [environment.reset(generator)], [], []
    ended = False
    while not ended:
        actions.append(play(observations, actions))
        seen, reward, ended = environment.step(actions[-1])
        observations.append(seen)
        rewards.append(reward)
    return observations, actions, rewards


def mean_return(environment: Layered, play: Player, episodes: int, generator: np.random.Generator) -> float:
    return float(np.mean([sum(episode(environment, play, generator)[2]) for _ in range(episodes)]))


def acts_at_random(environment: Layered, episodes: int, generator: np.random.Generator) -> Player:
    """Learns nothing."""
    del episodes
    return lambda observations, actions: str(generator.choice(environment.names))


def reads_directions(environment: Layered, episodes: int, generator: np.random.Generator) -> Player:
    """Learns nothing: walks by the names of directions to where it is told that the goal is; else anywhere."""
    del episodes
    told = re.compile(r"row (\d+), column (\d+); the goal is at row (\d+), column (\d+)")

    def play(observations: Sequence[str], actions: Sequence[str]) -> str:
        found = told.search(observations[-1])
        wanted = []
        if found:
            row, column, to_row, to_column = map(int, found.groups())
            wanted += ["south"] * (to_row > row) + ["north"] * (to_row < row)
            wanted += ["east"] * (to_column > column) + ["west"] * (to_column < column)
        return str(generator.choice(wanted or environment.names))

    return play


def remembers_dynamics(environment: Layered, episodes: int, generator: np.random.Generator) -> Player:
    """Counts where each action led from each observation and what it paid, and plans in that; what was never tried is
    thought to pay. Takes observations for states."""
    names = environment.names
    counts: dict[tuple[str, str], dict[str, int]] = {}
    paid: dict[tuple[str, str], float] = defaultdict(float)
    value: dict[str, float] = {}

    def worth(seen: str, action: str, hope: float) -> float:
        led = counts.get((seen, action))
        if not led:
            return hope
        onward = sum(times * value.get(after, 0.0) for after, times in led.items())
        return (paid[seen, action] + DISCOUNT * onward) / sum(led.values())

    def best(seen: str, hope: float) -> str:
        worths = [worth(seen, name, hope) for name in names]
        likely = [name for name, one in zip(names, worths, strict=True) if one >= max(worths) - 1e-9]
        return likely[int(generator.integers(len(likely)))]

    def look_back(observations: Sequence[str], hope: float) -> None:
        for seen in reversed(observations):
            value[seen] = max(worth(seen, name, hope) for name in names)

    for _ in range(episodes):
        observations, actions, rewards = episode(environment, lambda o, a: best(o[-1], 1.0), generator)
        for place, (action, reward) in enumerate(zip(actions, rewards, strict=True)):
            after = "(end)" if reward != 0 else observations[place + 1]
            led = counts.setdefault((observations[place], action), {})
            led[after] = led.get(after, 0) + 1
            paid[observations[place], action] += reward
        look_back(observations[:-1], 1.0)
    known = sorted({seen for seen, _ in counts})
    for _ in range(30):
        look_back(known, 0.0)
    return lambda observations, actions: best(observations[-1], 0.0)


def remembers_values(environment: Layered, episodes: int, generator: np.random.Generator) -> Player:
    """Q-learning whose state is the observation and the last two actions, by the returns of whole episodes."""
    names = environment.names
    value: dict[tuple, float] = defaultdict(float)
    times: dict[tuple, int] = defaultdict(int)

    def best(state: tuple) -> str:
        worths = np.array([value[(*state, name)] for name in names])
        return names[int(generator.choice(np.flatnonzero(worths >= worths.max() - 1e-9)))]

    def curious(observations: Sequence[str], actions: Sequence[str]) -> str:
        if generator.random() < CURIOUS:
            return str(generator.choice(names))
        return best((observations[-1], *actions[-2:]))

    for _ in range(episodes):
        observations, actions, rewards = episode(environment, curious, generator)
        follows = 0.0
        for place in reversed(range(len(actions))):
            follows = rewards[place] + DISCOUNT * follows
            state = (observations[place], *actions[max(place - 2, 0) : place], actions[place])
            times[state] += 1
            value[state] += (follows - value[state]) / times[state]
    return lambda observations, actions: best((observations[-1], *actions[-2:]))


def searches_plans(environment: Layered, episodes: int, generator: np.random.Generator) -> Player:
    """Changes a few actions of the best sequence so far, and keeps what pays no less (sooner is better); sees nothing."""
    names, length = environment.names, environment.spec.horizon
    plan, best = [str(name) for name in generator.choice(names, length)], -np.inf
    for _ in range(episodes):
        if best <= 0:
            trial = [str(name) for name in generator.choice(names, length)]
        else:
            trial = [str(generator.choice(names)) if generator.random() < 0.2 else name for name in plan]
        _, actions, rewards = episode(environment, lambda o, a, t=trial: t[len(a)], generator)
        paid = sum(rewards) * DISCOUNT ** len(actions)
        if paid >= best:
            plan, best = trial, paid
    return lambda observations, actions: plan[min(len(actions), length - 1)]
