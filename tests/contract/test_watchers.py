"""The contract of recipes that explain a policy by whole episodes of it: the same each time, and a document."""

import json

import jax
import pytest
from toys import made, small, source_for

from pilothouse.algorithm.registry import load_recipe
from pilothouse.explain.watched import watch
from pilothouse.explain.watcher import Watcher
from pilothouse.networks.actors import actor
from pilothouse.policies.policy import Mode
from pilothouse.train.sources import WorldSource


@pytest.mark.parametrize("name", made("Watcher"))
def test_a_watcher_says_the_same_each_time_and_it_is_a_document(name: str) -> None:
    recipe, source = small(name), source_for(load_recipe(name))
    assert isinstance(source, WorldSource)
    policy = Mode(actor(source.spec.unit(), 8)(jax.random.key(7)))
    seen = watch(policy, source, 4, seed=0, longest=16)
    explain = recipe.build(source.spec)
    assert isinstance(explain, Watcher)
    said = [json.dumps(explain(policy, seen, seed=0).as_json(), allow_nan=False) for _ in range(2)]
    assert said[0] == said[1] and len(said[0]) > 2
