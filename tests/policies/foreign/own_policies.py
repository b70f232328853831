"""Policies as a user would write them, named in tests as `own_policies:<name>`."""

import time
from typing import Any

import numpy as np


def swing(obs: Any) -> Any:
    """Torque with the angular velocity: one number for Pendulum."""
    return np.clip(obs[2:3], -2, 2)


def plain(obs: Any) -> Any:
    return float(obs[2])


def drawn(obs: Any, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-2, 2, 1)


def many(obs: Any) -> Any:
    return np.clip(obs[:, 2:3], -2, 2)


many.batched = True  # pyright: ignore[reportFunctionMemberAccess]


class Counts:
    """Pushes harder with every step of its episode."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self, obs: Any) -> Any:
        self.steps += 1
        return np.array([self.steps / 100])


class NeedsMore:
    def __init__(self, size: int) -> None:
        self.size = size


class Silent:
    pass


def raises(obs: Any) -> Any:
    raise KeyError("speed")


def wide(obs: Any) -> Any:
    return np.zeros(2)


def lost(obs: Any) -> Any:
    return np.array([np.nan])


def word(obs: Any) -> Any:
    return "left"


def nothing(obs: Any) -> Any:
    return None


def too_strong(obs: Any) -> Any:
    return np.array([3.0])


def writes(obs: Any) -> Any:
    """Spoils what it is given."""
    obs[:] = 0
    return np.zeros(1)


def two(obs: Any, memory: Any) -> Any:
    return obs


def slow(obs: Any) -> Any:
    time.sleep(0.02)
    return np.zeros(1)


third = 3


def net() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def net_of(spec: Any) -> Any:
    import torch

    return torch.nn.Linear(spec.obs.size, spec.action.size)


def with_value() -> Any:
    import torch

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Linear(4, 3)

        def forward(self, obs: Any) -> Any:
            outputs = self.last(obs)
            return {"logits": outputs[:, :2], "value": outputs[:, 2:]}

    return Both()


def no_module() -> Any:
    return 3


def broken() -> Any:
    raise RuntimeError("no weights today")
