"""Host simulators for several lanes: a `HostWorld` of `lanes × environments` copies, and where each episode stands."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.batch import Batch
from pilothouse.worlds.world import HostWorld


class Simulators:
    """Steps every copy, begins episodes anew at their end with a seed of their own, and adds up returns.

    Arrays have leading axes `(lanes, environments)`. The seed of an episode follows from the lane's seed, the
    environment and the number of the episode, so nothing random is stored.
    """

    def __init__(self, world: HostWorld, lane_seeds: tuple[int, ...], environments: int):
        if world.size != len(lane_seeds) * environments:
            raise ValueError(f"A world of {world.size} copies cannot serve {len(lane_seeds)} lanes × {environments}.")
        self.world, self.lane_seeds, self.environments = world, lane_seeds, environments
        self.episodes = np.zeros(world.size, np.int64)
        self.totals = np.zeros(world.size)
        self.lengths = np.zeros(world.size, np.int64)
        self._obs: PyTree = None
        self._finished: list[tuple[int, float, int]] = []

    def episode_seed(self, copy: int) -> int:
        """The seed of the episode that this copy is in."""
        lane, environment = divmod(copy, self.environments)
        entropy = (self.lane_seeds[lane], environment, int(self.episodes[copy]))
        return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)

    def begin_all(self) -> None:
        """A new episode in every copy (also the first).

        Where nothing has been done since the last ones began, these are the new ones: a checkpoint that begins the first
        episodes changes none of them.
        """
        if self.lengths.any():
            self.episodes += 1
        copies = range(self.world.size)
        self._obs = self.world.reset(list(copies), [self.episode_seed(copy) for copy in copies])
        self.totals[:] = 0
        self.lengths[:] = 0

    def _lanes(self, tree: PyTree) -> PyTree:
        return jax.tree.map(lambda x: x.reshape(len(self.lane_seeds), self.environments, *x.shape[1:]), tree)

    def obs(self) -> PyTree:
        """What every copy shows now, `(lanes, environments, …)`. Worlds return fresh arrays, so no copy is made."""
        if self._obs is None:
            self.begin_all()
        return self._lanes(self._obs)

    def episode_id(self) -> np.ndarray:
        """A number for the episode each copy is in; never the same for two episodes of one lane."""
        environment = np.arange(self.world.size) % self.environments
        return self._lanes((self.episodes * self.environments + environment).astype(np.int32))

    def step(self, action: PyTree, extra: dict[str, Any]) -> Batch:
        """Step every copy once: the transitions, with the true next observation and whatever the policy remembered."""
        before, ids = self.obs(), self.episode_id()
        flat = jax.tree.map(lambda x: np.asarray(x).reshape(self.world.size, *np.shape(x)[2:]), action)
        outcome = self.world.step(flat)
        over = outcome["terminated"] | outcome["truncated"]
        self.totals += outcome["reward"]
        self.lengths += 1
        row = Batch(
            **extra,
            obs=before,
            action=action,
            next_obs=self._lanes(outcome["next_obs"]),
            reward=self._lanes(np.asarray(outcome["reward"], np.float32)),
            terminated=self._lanes(outcome["terminated"]),
            truncated=self._lanes(outcome["truncated"]),
            valid=np.ones(ids.shape, bool),
            episode_id=ids,
            duration=np.ones(ids.shape, np.int32),
        )
        self._obs = outcome["next_obs"]
        if over.any():
            self._begin([int(copy) for copy in np.flatnonzero(over)])
        return row

    def _begin(self, copies: list[int]) -> None:
        for copy in copies:
            self._finished.append((copy // self.environments, float(self.totals[copy]), int(self.lengths[copy])))
            self.episodes[copy] += 1
            self.totals[copy], self.lengths[copy] = 0.0, 0
        first = self.world.reset(copies, [self.episode_seed(copy) for copy in copies])

        def place(all_obs: np.ndarray, new: np.ndarray) -> np.ndarray:
            all_obs = np.array(all_obs)
            all_obs[copies] = new
            return all_obs

        self._obs = jax.tree.map(place, self._obs, first)

    def take_finished(self) -> dict[str, np.ndarray]:
        """Sums and counts of returns and lengths, by lane, of the episodes that ended since the last call."""
        if not self._finished:
            return {}
        sums = {name: np.zeros((len(self.lane_seeds), 2)) for name in ("episode/return", "episode/length")}
        for lane, total, length in self._finished:
            sums["episode/return"][lane] += (total, 1)
            sums["episode/length"][lane] += (length, 1)
        self._finished = []
        return sums

    def snapshot(self) -> dict[str, Any]:
        """Arrays from which `restore` brings every copy back to this very step. First episodes begin now, if none has."""
        self.obs()
        return {
            "episodes": self.episodes.copy(),
            "totals": self.totals.copy(),
            "lengths": self.lengths.copy(),
            "obs": self._obs,
            "world": self.world.snapshot(),  # pyright: ignore[reportAttributeAccessIssue]
        }

    def restore(self, snapshot: dict[str, Any]) -> bool:
        """Replay every copy to where it stood. Whether it stands there: compare before going on.

        If the replay differs (a simulator that is not deterministic), new episodes begin in every copy.
        """
        self.episodes, self.totals = snapshot["episodes"].copy(), snapshot["totals"].copy()
        self.lengths = snapshot["lengths"].copy()
        obs = self.world.restore(snapshot["world"])  # pyright: ignore[reportAttributeAccessIssue]
        same = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), obs, snapshot["obs"])
        self._obs = snapshot["obs"]
        if all(jax.tree.leaves(same)):
            return True
        self.begin_all()
        return False

    def close(self) -> None:
        self.world.close()
