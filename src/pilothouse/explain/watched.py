"""Watching a policy: whole episodes with everything that explanations are made from, as flat NumPy arrays.

The policy may be ours (traceable) or one from elsewhere (NumPy only), the place a JAX world or a host simulator. All
four pairs are stepped on the host in one way, so that two policies watched with one seed meet the same episodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PyTree

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.policies.host import HostPolicy, decide
from pilothouse.rollout.collect import act, fresh_carries
from pilothouse.train.sources import SimulatorSource, WorldSource
from pilothouse.worlds.on_host import OnHost

LONGEST = 10_000
"""Steps after which an episode is stopped in a place without a time limit of its own."""

Asked = Callable[[PyTree, PyTree, int], tuple[PyTree, PyTree, Mapping[str, Any]]]
"""`(obs, carry, step) -> (action, carry, extra)` for all copies at once; the carry is None at first."""


@dataclass(frozen=True)
class Watched:
    """The steps of some episodes, one row a step, the rows of an episode together and in order.

    `obs` and `next_obs` are flat features called `names`: boxes entry by entry, choices one-hot, a Dict by name (its
    action mask left out). `action` is `(rows,)` where it is one choice, else `(rows, entries)`. `episode` counts from
    0, `step` within the episode from 0. `truncated` also where watching stopped before the end. `extras` holds what the
    policy told beside its actions (`value`, `probabilities`, `latent`), each with a leading axis of rows.
    """

    spec: Spec
    names: tuple[str, ...]
    obs: Float[np.ndarray, "rows features"]
    action: np.ndarray
    reward: Float[np.ndarray, " rows"]
    next_obs: Float[np.ndarray, "rows features"]
    terminated: Bool[np.ndarray, " rows"]
    truncated: Bool[np.ndarray, " rows"]
    episode: Int[np.ndarray, " rows"]
    step: Int[np.ndarray, " rows"]
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def choices(self) -> int | None:
        """How many actions there are to choose from; None where actions are numbers (or several choices at once)."""
        return self.spec.action.n if isinstance(self.spec.action, Discrete) else None

    @property
    def episodes(self) -> np.ndarray:
        """The ids of the episodes that are here, ascending."""
        return np.unique(self.episode)

    @property
    def returns(self) -> Float[np.ndarray, " episode"]:
        """The sum of rewards of each episode, in the order of `episodes`."""
        return np.array([self.reward[self.episode == one].sum() for one in self.episodes])

    @property
    def scale(self) -> Float[np.ndarray, " features"]:
        """The standard deviation of each feature over the rows; 1 where it never varies."""
        spread = self.obs.std(axis=0)
        return np.where(spread > 1e-8, spread, 1.0)

    def rows(self, keep: np.ndarray) -> "Watched":
        """Only these rows (a mask or indices)."""
        arrays = ("obs", "action", "reward", "next_obs", "terminated", "truncated", "episode", "step")
        extras = {name: value[keep] for name, value in self.extras.items()}
        return replace(self, extras=extras, **{name: getattr(self, name)[keep] for name in arrays})

    def split(self, share: float, seed: int) -> tuple["Watched", "Watched"]:
        """Two parts by whole episodes, `share` of them (at least one, and not all) in the second.

        **Raises:** `SettingError` with fewer than two episodes.
        """
        ids = np.random.default_rng(seed).permutation(self.episodes)
        if len(ids) < 2:
            raise SettingError(f"{len(ids)} episodes; holding some out takes at least 2. Watch more of them.")
        held = min(max(round(share * len(ids)), 1), len(ids) - 1)
        second = np.isin(self.episode, ids[:held])
        return self.rows(~second), self.rows(second)


def watch(
    policy: Any, place: WorldSource | SimulatorSource, episodes: int, seed: int, *, longest: int | None = None
) -> Watched:
    """Watch whole episodes, each from its own seed (`seed`, `seed + 1`, …), until its end or for `longest` steps.

    `policy` acts in the place's own units: a `Policy`, or a `HostPolicy`.

    **Raises:** `SettingError` for fewer than one episode; `SpaceError` for spaces that do not flatten.
    """
    if episodes < 1:
        raise SettingError(f"episodes={episodes}; expected at least 1.")
    spec = place.spec
    feature_names(spec.obs)  # what cannot be told apart by numbers is refused before anything is done
    if not isinstance(spec.action, Box | Discrete | MultiDiscrete):
        raise SpaceError(f"Watching takes Box, Discrete or MultiDiscrete actions; {place.name} has {spec.action.kind}.")
    world = host_face(place, episodes)
    names = feature_names(spec.obs, known=getattr(world, "observation_names", None))
    limit = longest or int(getattr(world, "horizon", None) or LONGEST)
    ask, carry, seen = asker(policy, episodes, seed), None, []
    alive = np.ones(episodes, bool)
    try:
        obs = world.reset(list(range(episodes)), [seed + episode for episode in range(episodes)])
        for step in range(limit):
            obs = jax.tree.map(np.array, obs)  # a simulator may write into its own arrays
            action, carry, extra = ask(obs, carry, step)
            outcome = world.step(action)
            over = outcome["terminated"] | outcome["truncated"]
            truncated = outcome["truncated"] | (~over & (step == limit - 1))
            seen.append((obs, action, outcome, truncated, alive.copy(), _plain(extra, episodes)))
            obs, alive = outcome["next_obs"], alive & ~over
            if not alive.any():
                break
    finally:
        world.close()
    return _joined(spec, names, seen)


def _plain(extra: Mapping[str, Any], copies: int) -> dict[str, np.ndarray]:
    """What of a policy's extra is a number or a row of numbers for each copy (no memory, no keys, no whole chains)."""
    found = {}
    for name, value in extra.items():
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None)
        if shape[:1] == (copies,) and len(shape) <= 2 and getattr(dtype, "kind", "O") in "biuf":
            found[name] = np.array(value)
    return found


def _joined(spec: Spec, names: tuple[str, ...], seen: list[Any]) -> Watched:
    """Steps of all copies `[time, copy]` as rows, an episode after the other."""
    alive = np.stack([one[4] for one in seen]).T
    episode, step = np.nonzero(alive)

    def rows(values: list[Any]) -> np.ndarray:
        return np.stack([np.asarray(value) for value in values])[step, episode]

    action = rows([one[1] for one in seen])
    if isinstance(spec.action, Box):
        action = action.reshape(len(action), -1).astype(np.float32)
    return Watched(
        spec=spec,
        names=names,
        obs=rows([flat(spec.obs, one[0]) for one in seen]),
        action=action,
        reward=rows([one[2]["reward"] for one in seen]).astype(np.float64),
        next_obs=rows([flat(spec.obs, one[2]["next_obs"]) for one in seen]),
        terminated=rows([one[2]["terminated"] for one in seen]),
        truncated=rows([one[3] for one in seen]),
        episode=episode,
        step=step,
        extras={name: rows([one[5][name] for one in seen]) for name in seen[0][5]},
    )


def thinned(seen: Watched, most: int, seed: int) -> Watched:
    """At most so many rows, drawn at random and kept in order."""
    if len(seen) <= most:
        return seen
    return seen.rows(np.sort(np.random.default_rng(seed).choice(len(seen), most, replace=False)))


def flat(space: Space, obs: PyTree) -> Float[np.ndarray, "copies features"]:
    """Observations with a leading axis of copies as flat float32 features, in the order of `feature_names`."""
    match space:
        case DictSpace():
            return np.concatenate([flat(inner, obs[name]) for name, inner in space.items if name != MASK], axis=1)
        case Discrete():
            return np.eye(space.n, dtype=np.float32)[np.asarray(obs)]
        case MultiDiscrete():
            entries = np.asarray(obs)
            return np.concatenate(
                [np.eye(n, dtype=np.float32)[entries[:, i]] for i, n in enumerate(space.nvec)], axis=1
            )
        case Box():
            return np.asarray(obs, np.float32).reshape(len(obs), -1)
        case _:
            raise SpaceError(f"A {space.kind} observation has no flat features.")


def feature_names(space: Space, prefix: str = "", known: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A name for each flat feature: `x0`, `x1`, … of a Box; `x=2` for a choice; those of a Dict after its entry's name.

    `known` are names of a Box's numbers, if the environment has some; of stacked observations, they say how long ago.

    **Raises:** `SpaceError` for tokens, and for pictures, of which a single pixel explains nothing.
    """
    match space:
        case DictSpace():
            inner = ((name, part) for name, part in space.items if name != MASK)
            return tuple(one for name, part in inner for one in feature_names(part, f"{prefix}{name}."))
        case Discrete():
            return tuple(f"{prefix.rstrip('.') or 'x'}={choice}" for choice in range(space.n))
        case MultiDiscrete():
            return tuple(f"{prefix}x{i}={choice}" for i, n in enumerate(space.nvec) for choice in range(n))
        case Box() if not space.is_image:
            return _stacked(known, space.size) or tuple(f"{prefix}x{i}" for i in range(space.size))
        case _:
            what = "pictures" if isinstance(space, Box) else space.kind
            raise SpaceError(f"Explanations by features take numbers and choices; the observation holds {what}.")


def _stacked(known: tuple[str, ...] | None, size: int) -> tuple[str, ...]:
    """The names of observations shown together, the oldest first; none where the numbers are not a multiple of them."""
    if not known or size % len(known):
        return ()
    ages = range(size // len(known) - 1, -1, -1)
    return tuple(f"{name}, {age} ago" if age else name for age in ages for name in known)


def asker(policy: Any, copies: int, seed: int) -> Asked:
    """How to ask a policy of either kind for the actions of all copies at once, with what it tells beside them."""
    if isinstance(policy, HostPolicy):

        def ask_host(obs: PyTree, carry: PyTree, step: int) -> Any:
            carry = policy.begin(copies, seed) if step == 0 else carry
            decision = decide(policy, obs, carry, seed + step, copies)
            return decision.action, decision.carry, decision.extra

        return ask_host
    key = named(jax.random.key(seed), "watch")

    def ask(obs: PyTree, carry: PyTree, step: int) -> Any:
        carry = _first_carries(policy, key, copies) if step == 0 else carry
        action, carry, extra = _act(policy, obs, carry, key, np.int32(step))
        return jax.tree.map(np.asarray, action), carry, extra

    return ask


@eqx.filter_jit
def _first_carries(policy: Any, key: Any, copies: int) -> PyTree:
    return fresh_carries(policy, (), copies, key, each=False)


@eqx.filter_jit
def _act(policy: Any, obs: PyTree, carry: PyTree, key: Any, step: Any) -> Any:
    return act(policy, obs, carry, jax.random.fold_in(key, step), each=False)


def host_face(place: WorldSource | SimulatorSource, copies: int) -> Any:
    """`copies` of the place behind `reset`, `step` and `close` on NumPy arrays."""
    return place.make(copies) if isinstance(place, SimulatorSource) else OnHost(place.world, copies, place.name)
