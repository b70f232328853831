"""Ways to learn in words: each does what it is made for, and fails where it is not."""

import numpy as np
import pytest

from pilothouse.evaluate.text_learners import (
    acts_at_random,
    episode,
    mean_return,
    reads_directions,
    remembers_dynamics,
    remembers_values,
    searches_plans,
)
from pilothouse.worlds.layered import Layered, LayeredSpec

OPEN = LayeredSpec(goal=10, walls=(5,))


def earned(agent: object, spec: LayeredSpec) -> float:
    environment = Layered(spec)
    player = agent(environment, 60, np.random.default_rng(0))  # pyright: ignore[reportCallIssue]
    return mean_return(environment, player, 40, np.random.default_rng(1))


def test_an_episode_is_told_whole() -> None:
    environment = Layered(LayeredSpec(side=2, goal=3))
    plan = ["north", "east", "south"]
    observations, actions, rewards = episode(environment, lambda o, a: plan[len(a)], np.random.default_rng(0))
    assert (actions, rewards) == (plan, [0, 0, 1]) and len(observations) == 4


def test_random_actions_earn_what_chance_does() -> None:
    chance = Layered(OPEN).bounds[0]
    environment = Layered(OPEN)
    player = acts_at_random(environment, 0, np.random.default_rng(3))
    found = mean_return(environment, player, 600, np.random.default_rng(4))
    assert abs(found - chance) < 4 * np.sqrt(chance * (1 - chance) / 600)


def test_reading_serves_only_where_words_mean_what_they_say() -> None:
    assert earned(reads_directions, LayeredSpec(goal=10)) == 1
    assert earned(reads_directions, LayeredSpec(goal=10, told="inversely")) < 0.2


@pytest.mark.parametrize("agent", [remembers_dynamics, remembers_values, searches_plans])
def test_every_way_learns_where_everything_is_seen_and_certain(agent: object) -> None:
    for told in ("plainly", "inversely", "in codes"):
        assert earned(agent, LayeredSpec(goal=10, walls=(5,), told=told)) > 0.9


def test_plans_need_certainty_and_models_need_sight() -> None:
    slips = LayeredSpec(goal=10, walls=(5,), slip=0.4)
    assert earned(remembers_dynamics, slips) > earned(searches_plans, slips) + 0.1
    dark = LayeredSpec(goal=10, sees="nothing")
    assert earned(searches_plans, dark) > earned(remembers_dynamics, dark) + 0.1
