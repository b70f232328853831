"""A tabular world with a cause that nobody sees, behind both what is done and what follows, and an instrument."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int

from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.scripted_tabular import _draw
from pilothouse.worlds.tabular import Tabular


@dataclass(frozen=True, eq=False)
class ConfoundedWorld:
    """Two actions, two instruments, and a hidden cause u, 0 or 1, drawn anew at every step with even odds.

    Action 1 is taken with probability `taken[s, z, u]`, the instrument is 1 with `assigned[s]`. The reward of the tables
    is shifted by `push` (2 u - 1), and with probability `share` the next state is drawn from `drift[u]` in place of
    `own[s, a]`: the same under both actions, so that `world`, in which u is averaged out, is what a policy meets.
    """

    own: Float[np.ndarray, "state action state"]
    reward: Float[np.ndarray, "state action"]
    assigned: Float[np.ndarray, " state"]
    taken: Float[np.ndarray, "state instrument cause"]
    drift: Float[np.ndarray, "cause state"]
    push: float
    share: float

    @classmethod
    def drawn(cls, states: int, seed: int, *, push: float = 1.0, share: float = 0.3, sway: float = 0.3) -> Self:
        """A random one; the hidden cause changes the chance of action 1 by `sway`, the instrument by 0.3 to 0.45."""
        generator = np.random.default_rng(seed)
        low = generator.uniform(0.05, 0.2, states)
        effect = generator.uniform(0.3, 0.45, states)
        taken = low[:, None, None] + effect[:, None, None] * np.arange(2)[:, None] + sway * np.arange(2)
        # The cause that pays is the one that makes action 1 likelier, and it leads to the later states.
        slope = np.exp(np.linspace(0, 2, states))
        drift = np.stack([slope[::-1], slope])
        own = generator.dirichlet(np.full(states, 0.5), (states, 2))
        reward = generator.normal(size=(states, 2)) + np.linspace(0, 1, states)[:, None]
        assigned = generator.uniform(0.35, 0.65, states)
        return cls(own, reward, assigned, taken, drift / drift.sum(1, keepdims=True), push, share)

    @property
    def world(self) -> Tabular:
        """What holds of every policy that does not see the cause."""
        return Tabular.of((1 - self.share) * self.own + self.share * self.drift.mean(0), self.reward)

    def log(self, *, episodes: int, steps: int, seed: int = 0) -> tuple[Dataset, Int[np.ndarray, " row"]]:
        """So many episodes of so many steps, cut there, from even starts; and the instrument of each row."""
        generator, states = np.random.default_rng(seed), len(self.reward)
        onward, drift = self.own.cumsum(-1), self.drift.cumsum(-1)
        place = generator.integers(0, states, episodes)
        taken: list[np.ndarray] = []
        rewards: list[np.ndarray] = []
        for _ in range(steps):
            cause = generator.integers(0, 2, episodes)
            instrument = (generator.random(episodes) < self.assigned[place]).astype(np.int64)
            action = (generator.random(episodes) < self.taken[place, instrument, cause]).astype(np.int64)
            adrift = generator.random(episodes) < self.share
            there = np.where(adrift, _draw(drift[cause], generator), _draw(onward[place, action], generator))
            rewards.append(self.reward[place, action] + self.push * (2 * cause - 1))
            taken.append(np.stack([place, instrument, action, there]))
            place = there
        obs, instrument, action, there = np.stack(taken, axis=-1).reshape(4, -1)  # [episode, step], flat
        last = np.tile(np.arange(steps) == steps - 1, episodes)
        rows = {
            "obs": obs,
            "action": action,
            "reward": np.stack(rewards, axis=-1).reshape(-1),
            "next_obs": there,
            "terminated": np.zeros(len(obs), bool),
            "truncated": last,
        }
        return dataset_from_transitions(rows, self.world.spec, name="confounded log"), instrument
