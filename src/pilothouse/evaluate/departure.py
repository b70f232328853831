"""How far a policy leaves the data: its actions beside those that the data took in similar states.

An estimate from data alone is a guess wherever the policy acts as nobody in the data did. For states of held-out episodes
the distance is taken from an action to the nearest action among those of the most similar training states; the data's
own held-out actions say how large that distance is for whoever made the data.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, PyTree
from scipy.spatial import KDTree

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space

NEIGHBOURS = 20
"""How many similar states are looked at."""
MOST_ROWS = 100_000
"""Training rows that are searched, at most; drawn at random from more."""
MOST_FEATURES = 32
"""Observations of more entries are projected at random to so many, which keeps distances nearly as they are."""
OWN = 0.95
"""The limit: this share of the data's own actions lies within it."""
TRUSTED = 0.25
"""An estimate is doubted when the policy is beyond the limit in more than this share of states (0.05 for a copy)."""


@dataclass(frozen=True)
class Departure:
    """By policy: `outside`, the share of held-out states in which it acts farther from the data than 95% of the data's
    own actions do; `ratio`, its mean distance over the data's own (about 1 for a copy, infinite where theirs is 0)."""

    outside: Float[np.ndarray, " policy"]
    ratio: Float[np.ndarray, " policy"]

    def doubt(self, policy: int) -> str:
        """Why this policy's estimate is not to be trusted; empty where it stays near the data."""
        share = float(self.outside[policy])
        return "" if share <= TRUSTED else f"it leaves the data in {share:.0%} of states"


class Neighbourhoods:
    """The training data's actions, by similar state. `obs` and `action` in the recipe's units, `[row, …]`."""

    def __init__(self, obs_space: Space, action_space: Space, rows: Batch, *, seed: int = 0):
        self.spaces = obs_space, action_space
        count = len(rows.reward)
        generator = np.random.default_rng(seed)
        chosen = np.arange(count) if count <= MOST_ROWS else generator.choice(count, MOST_ROWS, replace=False)
        obs = flat(obs_space, jax.tree.map(lambda x: np.asarray(x)[chosen], rows.obs))
        self._mean, self._std = obs.mean(axis=0), np.maximum(obs.std(axis=0), 1e-6)
        size = obs.shape[1]
        self._project = None
        if size > MOST_FEATURES:
            self._project = generator.normal(size=(size, MOST_FEATURES)) / np.sqrt(MOST_FEATURES)
        self._actions = flat(action_space, jax.tree.map(lambda x: np.asarray(x)[chosen], rows.action))
        self._tree = KDTree(self._features(obs))

    def _features(self, obs: np.ndarray) -> np.ndarray:
        features = (obs - self._mean) / self._std
        return features if self._project is None else features @ self._project

    def near(self, obs: PyTree) -> Float[np.ndarray, "state neighbour action"]:
        """The actions of the most similar training states, nearest first."""
        count = min(NEIGHBOURS, len(self._actions))
        _, places = self._tree.query(self._features(flat(self.spaces[0], obs)), k=count)
        return self._actions[np.asarray(places).reshape(-1, count)]

    def departure(self, obs: PyTree, own: PyTree, actions: PyTree) -> Departure:
        """Of several policies: `actions` `[policy, state, …]` at `obs` `[state, …]`, where the data did `own`."""
        near = self.near(obs)
        data = distance(flat(self.spaces[1], own), near)
        policies = jax.tree.leaves(actions)[0].shape[0]
        mine = [
            distance(flat(self.spaces[1], jax.tree.map(lambda x, i=i: np.asarray(x)[i], actions)), near)
            for i in range(policies)
        ]
        limit = max(float(np.quantile(data, OWN)), 1e-6)
        floor = max(float(data.mean()), 1e-12)
        outside = np.array([float((d > limit).mean()) for d in mine])
        return Departure(outside, np.array([float(d.mean()) / floor for d in mine]))


def distance(
    action: Float[np.ndarray, "state action"], near: Float[np.ndarray, "state neighbour action"]
) -> Float[np.ndarray, " state"]:
    """Euclidean distance from each action to the nearest of its neighbourhood."""
    return np.sqrt(np.square(action[:, None] - near).sum(axis=-1)).min(axis=1)


def flat(space: Space, values: PyTree) -> Float[np.ndarray, "row entry"]:
    """Values of a space, `[row, …]`, as rows of real numbers: boxes laid flat, choices one-hot, masks left out."""
    if isinstance(space, DictSpace):
        return np.concatenate([flat(inner, values[name]) for name, inner in space.items if name != MASK], axis=1)
    array = np.asarray(values)
    if isinstance(space, Discrete):
        return np.eye(space.n)[array.reshape(-1)]
    if isinstance(space, MultiDiscrete):
        return np.concatenate([np.eye(n)[array[:, i]] for i, n in enumerate(space.nvec)], axis=1)
    assert isinstance(space, Box), space
    return array.reshape(len(array), -1).astype(np.float64)
