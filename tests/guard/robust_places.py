"""Small places and policies that robustness is tested with."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.host import HostPolicy
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.world import Outcome


@jax.tree_util.register_static
@dataclass(frozen=True)
class Echo:
    """Shows two numbers a step, drawn anew, and takes off the squared distance of the action from the first."""

    horizon: int = 6
    gain: float = 1.0
    spec: Spec = field(default=Spec(Box((2,)), Box((1,), -20.0, 20.0)))

    def reset(self, task: Any, key: Any) -> tuple[Any, Any]:
        seen = jax.random.normal(key, (2,))
        return (seen, jnp.zeros((), jnp.int32)), seen

    def step(self, state: Any, action: Any, key: Any) -> tuple[Any, Outcome]:
        seen, time = state
        following, no = jax.random.normal(key, (2,)), jnp.zeros((), bool)
        reward = -((action[0] - self.gain * seen[0]) ** 2)
        return (following, time + 1), Outcome(following, reward, no, time + 1 >= self.horizon)


def echo(**constants: Any) -> WorldSource:
    return WorldSource("echo", Echo(**constants))


class Linear(HostPolicy):
    """Does `obs @ weights`, and may raise where a reading is exactly 0."""

    def __init__(self, spec: Spec, weights: Any, *, fragile: bool = False):
        self.spec, self.name, self.fragile = spec, "linear", fragile
        self.weights = np.asarray(weights, np.float64).reshape(spec.obs.size, -1)

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        if self.fragile and (obs == 0).any():
            raise ZeroDivisionError("a reading of 0")
        said = np.asarray(obs, np.float64) @ self.weights
        if isinstance(self.spec.action, Box):
            low, high = self.spec.action.bounds()
            return np.clip(said, low, high).astype(np.float32), carry, {}
        return (said[:, 0] > 0).astype(np.int32), carry, {}


class Drawn(HostPolicy):
    """Adds a draw of its own and remembers how often it was asked: neither may change what level 0 gives."""

    def __init__(self, spec: Spec):
        self.spec, self.name = spec, "drawn"

    def begin(self, copies: int, seed: int) -> Any:
        return np.zeros(copies)

    def act_many(self, obs: Any, carry: Any, seed: int) -> Any:
        noise = np.random.default_rng(seed).normal(size=(len(obs), *self.spec.action.shape)) + 0.01 * carry[:, None]
        return np.clip(np.asarray(obs)[:, :1] + noise, -2, 2).astype(np.float32), carry + 1, {}
