"""Stages of a given length, and the learning from data that goes before the world."""

from pilothouse.algorithm.interpreter import updates_in
from pilothouse.algorithm.steps import Stage, Step


def for_updates(updates: int, *cycle: Step) -> Stage:
    """A stage of at least so many gradient updates, in whole cycles.

    An offline-to-online recipe begins with one whose length is its setting `offline`, which `train --steps` sets.
    Raises `ValueError` for a cycle without updates.
    """
    each = updates_in(cycle)
    if not each:
        raise ValueError("A cycle without updates never comes to any number of them.")
    return Stage(cycle, cycles=-(-updates // each))
