"""Rules with exceptions: gains by hand, what is learned where the truth is known, and policies that act by it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.rule_induction import agreement, fires, gain, induce, study_rules
from pilothouse.explain.watched import Watched
from pilothouse.policies.policy import Random
from pilothouse.policies.rules import Rule, RulesFirst, Vocabulary

FEATURES = ("apple", "pear", "leek", "yam", "sock", "rotten")
TAXONOMY = {
    "apple": "fruit",
    "pear": "fruit",
    "leek": "greens",
    "yam": "tuber",
    "fruit": "food",
    "greens": "food",
    "tuber": "food",
}
VOCABULARY = Vocabulary.of(FEATURES, TAXONOMY)


def rows(*things: str) -> np.ndarray:
    return np.array([[name in thing.split() for name in FEATURES] for thing in things], np.float32)


def test_facts_rise_by_the_taxonomy() -> None:
    assert VOCABULARY.names == (*FEATURES, "fruit", "food", "greens", "tuber")
    facts = VOCABULARY.facts(rows("pear rotten", "sock"))
    assert [{VOCABULARY.names[i] for i in np.flatnonzero(row)} for row in facts] == [
        {"pear", "rotten", "fruit", "food"},
        {"sock"},
    ]
    with pytest.raises(DataError, match="stands above itself"):
        Vocabulary.of(("a",), {"a": "b", "b": "c", "c": "b"})


def test_gain_by_hand() -> None:
    # From 4 right, 4 wrong (1 bit each) to 3 right, 1 wrong: 3 (log2 0.75 + 1) = 1.755; to 2 and 2: nothing is gained.
    np.testing.assert_allclose(
        gain(np.array([3.0, 2.0, 0.0]), np.array([1.0, 2.0, 1.0]), 4, 4), [1.75489, 0, 0], atol=1e-4
    )


THINGS = ("apple", "pear", "leek", "yam", "sock", "apple rotten", "leek rotten")
TRUE = {"apple": 0, "pear": 0, "leek": 0, "yam": 1, "sock": 2, "apple rotten": 3, "leek rotten": 3}


def tried(things=THINGS, times: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every action tried with every thing."""
    cases = [(thing, action) for thing in things for action in range(4) for _ in range(times)]
    return (
        rows(*(thing for thing, _ in cases)),
        np.array([a for _, a in cases]),
        np.array([TRUE[t] == a for t, a in cases]),
    )


@pytest.fixture(scope="module")
def learned() -> tuple[Rule, ...]:
    obs, action, right = tried()
    return induce(VOCABULARY.facts(obs), action, right, VOCABULARY.names)


def test_a_default_rises_to_the_kind_and_what_is_wrong_becomes_an_exception(learned) -> None:
    fridge = next(rule for rule in learned if rule.action == 0)
    assert fridge.body == ("food",) and set(fridge.unless) == {"rotten", "tuber"}  # and not the yam alone
    assert (fridge.right, fridge.wrong) == (36, 0)
    assert next(rule for rule in learned if rule.action == 3).body == ("rotten",)


def test_rules_hold_of_what_was_never_seen_and_names_do_not() -> None:
    obs, action, right = tried(("apple", "yam", "sock", "apple rotten", "leek"))
    new = rows("pear", "pear rotten")
    lifted = induce(VOCABULARY.facts(obs), action, right, VOCABULARY.names)
    plain = Vocabulary.of(FEATURES)
    by_name = induce(plain.facts(obs), action, right, plain.names)

    def first(rules, vocabulary, row):
        facts = vocabulary.facts(row)
        return next((rule.action for rule in rules if fires(rule, facts, vocabulary.names)[0]), None)

    assert [first(lifted, VOCABULARY, new[i : i + 1]) for i in range(2)] == [0, 3]
    assert first(by_name, plain, new[:1]) is None


def test_rewards_in_random_order_teach_nothing() -> None:
    obs, action, right = tried()
    shuffled = np.random.default_rng(0).permutation(right)
    known = induce(VOCABULARY.facts(obs), action, right, VOCABULARY.names)
    nothing = induce(VOCABULARY.facts(obs), action, shuffled, VOCABULARY.names)
    test = (VOCABULARY, obs, action, right)
    assert agreement(known, *test).worth == 1.0 and agreement(known, *test).covered == 1.0
    assert abs(agreement(nothing, *test).worth) < 0.5


def test_agreement_by_hand() -> None:
    # The rule speaks of four rows: right once of the two at which it was obeyed, and never of the two at which it was not.
    rules, obs = (Rule(0, ("food",)),), rows("apple", "pear", "leek", "yam", "sock")
    found = agreement(rules, VOCABULARY, obs, np.array([0, 0, 1, 2, 0]), np.array([True, False, False, False, True]))
    assert (found.right, found.otherwise, found.rows, found.covered) == (0.5, 0.0, 2, 0.8) and found.worth == 0.5


def test_the_policy_acts_by_the_first_rule_that_fires_and_else_as_it_did() -> None:
    rules = (Rule(0, ("food",), ("rotten", "tuber"), 9, 0), Rule(3, ("rotten",), (), 6, 0))
    policy = RulesFirst.of(rules, VOCABULARY, Random(Discrete(1)), 4)
    seen = [
        policy(jnp.asarray(row), (), jax.random.key(0)) for row in rows("pear", "pear rotten", "sock", "yam rotten")
    ]
    assert [int(action) for action, *_ in seen] == [0, 3, 0, 3]
    assert [int(extra["rule"]) for *_, extra in seen] == [0, 1, -1, 1]
    assert rules[0].in_words(["fridge"]) == "fridge if food, unless rotten or tuber (9 right, 0 wrong)"
    assert rules[0].trust == pytest.approx(10 / 11)
    with pytest.raises(DataError, match="room"):
        RulesFirst.of(rules, VOCABULARY, None, 1)
    with pytest.raises(DataError, match="'tin'"):
        RulesFirst.of((Rule(0, ("tin",)),), VOCABULARY, None)


def test_a_study_carries_its_own_test() -> None:
    obs, action, right = tried()
    spec, count, ends = Spec(Box((6,)), Discrete(4)), np.arange(len(obs)), np.ones(len(obs), bool)
    order = np.random.default_rng(1).permutation(len(obs))

    def study(reward: np.ndarray):
        seen = Watched(spec, FEATURES, obs[order], action[order], reward, obs[order], ends, ~ends, count, 0 * count)
        return study_rules(Random(Discrete(4)), seen, VOCABULARY)

    found, nothing = study(right[order].astype(float)), study(np.random.default_rng(2).permutation(right).astype(float))
    assert found.sanity_passed and found.fidelity.worth == 1.0 and not nothing.sanity_passed
    assert found.as_json()["in_words"][0].endswith("wrong)")
    assert int(found.policy(jnp.asarray(rows("pear")[0]), (), jax.random.key(0))[0]) == 0
