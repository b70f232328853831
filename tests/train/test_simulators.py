"""When the episodes of a host world begin: looking at one that has not been acted in changes nothing."""

from typing import Any

import numpy as np

from pilothouse.train.simulators import Simulators


class Counting:
    """Two copies that only keep the seeds they were reset with."""

    size = 2

    def __init__(self) -> None:
        self.seeds: list[list[int]] = []

    def reset(self, copies: list[int], seeds: list[int]) -> np.ndarray:
        self.seeds.append(seeds)
        return np.zeros((len(copies), 1), np.float32)

    def step(self, action: Any) -> dict[str, np.ndarray]:
        no = np.zeros(2, bool)
        return {"next_obs": np.ones((2, 1), np.float32), "reward": np.zeros(2), "terminated": no, "truncated": no}

    def snapshot(self) -> None:
        return None


def begun(look: bool) -> list[list[int]]:
    world: Any = Counting()
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
