"""The mechanism: a rule read off some things of a kind holds of others of that kind, and goes before the network."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.explain.watched import Watched
from pilothouse.policies.policy import Random
from pilothouse.recipes.explain.explorer import explorer
from pilothouse.worlds.tidy_up import MATTERS, PLACES, TAXONOMY, THINGS, TidyUp, belongs, matters_of

SEEN = TidyUp("seen")


@pytest.fixture(scope="module")
def tried() -> Watched:
    """Every place tried with every thing that is not kept back, in episodes of one step each, six times."""
    things = [i for i in range(len(THINGS)) if i % 6 < 3]
    cases = [(i, matter, place) for i in things for matter in ("", *matters_of(THINGS[i])) for place in range(9)] * 6
    obs = np.zeros((len(cases), len(SEEN.observation_names)), np.float32)
    for row, (thing, matter, _) in enumerate(cases):
        obs[row, thing] = 1
        if matter:
            obs[row, SEEN.observation_names.index(matter)] = 1
    action = np.array([place for *_, place in cases])
    reward = np.array([float(belongs(THINGS[i], matter) == PLACES[place]) for i, matter, place in cases])
    ends, count = np.ones(len(cases), bool), np.arange(len(cases))
    return Watched(SEEN.spec, SEEN.observation_names, obs, action, reward, obs, ends, ~ends, count, 0 * count)


def right(policy, things: list[int]) -> float:
    """The share of things, in every state, that go where they belong."""
    cases = [(i, matter) for i in things for matter in ("", *matters_of(THINGS[i]))]
    obs = np.stack([np.asarray(SEEN._words(jnp.array([i, MATTERS.index(matter), 0.0]))) for i, matter in cases])
    said = np.asarray(jax.vmap(lambda x: policy(x, (), jax.random.key(0))[0])(jnp.asarray(obs)))
    return float(np.mean([PLACES[a] == belongs(THINGS[i], m) for a, (i, m) in zip(said, cases, strict=True)]))


def test_rules_by_kind_hold_of_things_never_seen_and_rules_by_name_do_not(tried) -> None:
    nobody = Random(SEEN.spec.action)
    explain = explorer().build(SEEN.spec)
    lifted = explain(nobody, tried, taxonomy=TAXONOMY, actions=PLACES)
    by_name = explain(nobody, tried, actions=PLACES)
    unseen = [i for i in range(len(THINGS)) if i % 6 >= 3]
    assert right(lifted.policy, unseen) == 1.0 and lifted.fidelity.worth == 1.0 and lifted.sanity_passed
    assert right(by_name.policy, unseen) < 0.7
    assert right(by_name.policy, [0, 1, 2]) == 1.0  # what it knows by name it knows
    assert len(lifted.rules) < len(by_name.rules)
    assert any(line.startswith("pantry if tuber, unless rotten") for line in lifted.in_words)


def test_rewards_in_random_order_make_no_explanation(tried) -> None:
    draw = np.random.default_rng(0)
    found = explorer().build(SEEN.spec)(Random(SEEN.spec.action), replace(tried, reward=draw.permutation(tried.reward)))
    assert not found.sanity_passed and found.as_json()["sanity_passed"] is False
