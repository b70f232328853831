"""Splits of contexts: a policy that copies what it learned in is right there, and the further beyond, the worse."""

import numpy as np
import pytest
from robust_places import Linear

from pilothouse.core.errors import SettingError, UnknownNameError
from pilothouse.guard.generalisation import Generalisation
from pilothouse.guard.worst_case import over
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.contextual import Contexts, ContextualWorld
from pilothouse.worlds.uncertain import UncertaintySet

WEAK = UncertaintySet.of({"force": (1.0, 19.0)})


def place(shown: str = "hidden") -> WorldSource:
    return WorldSource("cartpole", ContextualWorld(CartPole(horizon=30), Contexts(WEAK, 0.5), shown))  # type: ignore


def test_each_split_is_lived_in_its_own_contexts_and_the_gap_is_theirs():
    source = place()
    policy = Linear(source.spec, [0.1, 0.5, 5.0, 1.0])
    contexts = Contexts(WEAK, 0.5, count=2)
    found = Generalisation(points=3, episodes=2)(policy, source, contexts)
    assert found.interpolation.points == contexts.interpolation(3) and found.interpolation.returns.shape == (3, 2)
    assert found.extrapolation.points == contexts.extrapolation(3)
    assert found.learned_in is not None and found.learned_in.points == contexts.learned_in
    again = over(policy, source, contexts.extrapolation(3), 2)
    np.testing.assert_array_equal(found.extrapolation.returns, again.returns)
    assert found.gap == found.interpolation.mean - found.extrapolation.mean
    said = found.numbers()
    assert said["within"] - said["beyond"] == said["gap"] and said["learned_in"] == found.learned_in.mean
    assert Generalisation(1, 1)(policy, source, Contexts(WEAK, 0.5)).learned_in is None


def test_faults_are_told():
    source = place()
    policy = Linear(source.spec, [0.1, 0.5, 5.0, 1.0])
    with pytest.raises(SettingError, match="points=0"):
        Generalisation(0, 2)(policy, source, Contexts(WEAK))
    with pytest.raises(UnknownNameError, match="force"):
        Generalisation(1, 1)(policy, source, Contexts(UncertaintySet.of({"forse": (1.0, 2.0)})))
