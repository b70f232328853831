"""PORL: the policy is held while critics learn, from scratch, what it is worth where it goes; the data are then left."""

from pilothouse.algorithm.interpreter import updates_in
from pilothouse.algorithm.steps import Collect, Fit, Stage, trained_parts, walk
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.offline.porl import porl

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def reads(stage: Stage) -> set[str]:
    return {name for _, step in walk(stage.cycle) if isinstance(step, Fit) for name in step.batches.reads}


def stages(warmup: int) -> tuple[Stage, ...]:
    return porl(width=4, depth=1, offline=7, warmup=warmup, pretraining=30, updates=3).build(SPEC).stages


def test_the_policy_is_held_while_critics_learn_of_it_from_scratch() -> None:
    cloning, act, value, both = stages(warmup=50)
    assert trained_parts(cloning) == ("actor",) and reads(cloning) == {"data"} and cloning.cycles == 7
    assert act.cycles == 50 and trained_parts(act) == () and isinstance(act.cycle[0], Collect)
    assert trained_parts(value) == ("critic",) and reads(value) == {"replay"}
    assert updates_in(value.cycle) * (value.cycles or 0) == 30
    assert set(trained_parts(both)) == {"critic", "actor", "log_alpha"} and reads(both) == {"replay"}
    assert both.cycles is None and updates_in(both.cycle) == 3


def test_without_it_the_policy_goes_on_at_once() -> None:
    cloning, both = stages(warmup=0)
    assert trained_parts(cloning) == ("actor",) and set(trained_parts(both)) == {"critic", "actor", "log_alpha"}
