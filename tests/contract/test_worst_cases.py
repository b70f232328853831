"""The contract of recipes that judge a policy over a set of physics: the same each time, and a document."""

import json

import jax
import pytest
from toys import made

from pilothouse.algorithm.registry import load_recipe
from pilothouse.guard.worst_case import WorstCase
from pilothouse.networks.actors import actor
from pilothouse.policies.policy import Mode
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.uncertain import pendulum


@pytest.mark.parametrize("name", made("WorstCase"))
def test_a_judge_says_the_same_each_time_and_it_is_a_document(name: str) -> None:
    world = pendulum()
    place = WorldSource("pendulum", world.world, 1)
    judge = load_recipe(name)(points=2, episodes=2).build(place.spec)
    assert isinstance(judge, WorstCase)
    policy = Mode(actor(place.spec.unit(), 8)(jax.random.key(7)))
    said = [json.dumps(judge(policy, place, world.within).as_json(), allow_nan=False) for _ in range(2)]
    assert said[0] == said[1] and len(said[0]) > 2
