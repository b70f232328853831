"""When the episodes of a host world begin: looking at one that has not been acted in changes nothing."""

from typing import Any

import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.train.simulators import Simulators


class Counting:
    """Two copies that only keep the seeds they were reset with."""

    size, spec = 2, Spec(Box((1,)), Box((1,), -1.0, 1.0))

    def __init__(self) -> None:
        self.seeds: list[list[int]] = []

    def reset(self, indices: Any, seeds: Any, task: Any = ()) -> np.ndarray:
        self.seeds.append(list(seeds))
        return np.zeros((len(indices), 1), np.float32)

    def step(self, actions: Any) -> Batch:
        no = np.zeros(2, bool)
        return Batch(next_obs=np.ones((2, 1), np.float32), reward=np.zeros(2), terminated=no, truncated=no)

    def close(self) -> None: ...

    def snapshot(self) -> None: ...


def begun(look: bool) -> list[list[int]]:
    world = Counting()
    simulators = Simulators(world, (3,), 2)
    if look:
        simulators.snapshot()
    simulators.begin_all()
    first = world.seeds[-1]
    simulators.step(np.zeros((1, 2, 1)), {})
    simulators.begin_all()
    return [first, world.seeds[-1]]


def test_a_checkpoint_before_the_first_step_does_not_use_up_an_episode() -> None:
    assert begun(look=True) == begun(look=False)
    first, second = begun(look=False)
    assert not set(first) & set(second) and len({*first, *second}) == 4
