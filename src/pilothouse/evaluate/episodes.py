"""How good is this policy, and how sure are we: returns on held-out episodes with an interval."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Tokens
from pilothouse.policies.policy import Policy, Random
from pilothouse.rollout.collect import act, fresh_carries
from pilothouse.rollout.episodes import host_episodes, traced_episodes
from pilothouse.statistics import Interval, interquartile_mean, mean_interval
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.sources import SimulatorSource, WorldSource


@dataclass(frozen=True)
class Evaluation:
    """Returns of every episode, their interquartile mean and mean, and a 95% interval of the mean.

    `success` is the share of episodes with a positive return where rewards are 0 or 1 at the end (text, mazes),
    None elsewhere.
    """

    policy: str
    env: str
    episodes: int
    returns: list[float]
    iqm: float
    mean: float
    interval: Interval
    success: float | None = None

    def __str__(self) -> str:
        return f"{self.policy} in {self.env}: mean return {self.mean:.1f}, 95% {self.interval} over {self.episodes} episodes"

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "interval": self.interval.to_json()}


def evaluate_policy(
    policy: Policy | str,
    place: WorldSource | SimulatorSource,
    *,
    episodes: int = 20,
    seed: int = 0,
    name: str = "policy",
) -> Evaluation:
    """Run held-out episodes. `policy` acts in the place's own units, or is `random`."""
    if episodes < 1:
        raise SettingError(f"episodes={episodes}; expected at least 1.")
    if seed < 0:
        raise SettingError(f"seed={seed}; expected at least 0.")
    spec = place.spec
    if isinstance(policy, str):
        policy, name = Random(spec.action), policy
    check_policy_fits(policy, place)
    if isinstance(place, WorldSource):
        returns = _in_world(policy, place, episodes, HELD_OUT + seed)
    else:
        returns = _in_simulator(policy, place, episodes, HELD_OUT + seed)
    success = float(np.mean(returns > 0)) if isinstance(spec.action, Tokens) else None
    return Evaluation(
        name,
        place.name,
        episodes,
        [float(r) for r in returns],
        float(interquartile_mean(returns)),
        float(np.mean(returns)),
        mean_interval(returns),
        success,
    )


def check_policy_fits(policy: Policy, place: WorldSource | SimulatorSource) -> None:
    """Raises `SpaceError` where a policy that knows its spec observes or does other than this place shows and takes.

    Bounds of observations may differ; those of actions may not.
    """
    theirs, ours = getattr(policy, "spec", None), place.spec
    if theirs is None:
        return
    seen = isinstance(ours.action, Tokens) or _outline(theirs.obs) == _outline(ours.obs)
    if not seen or _outline(theirs.action, bounds=True) != _outline(ours.action, bounds=True):
        raise SpaceError(
            f"The policy observes {_outline(theirs.obs)} and does {_outline(theirs.action, bounds=True)}; {place.name} "
            f"shows {_outline(ours.obs)} and takes {_outline(ours.action, bounds=True)}. Use it where it was learned."
        )


def _outline(space: Space, *, bounds: bool = False) -> str:
    """What must agree, in words: kinds, shapes, numbers of choices, and, if asked for, the bounds of boxes."""
    match space:
        case DictSpace():
            return f"{{{', '.join(f'{name}: {_outline(inner, bounds=bounds)}' for name, inner in space.items)}}}"
        case Discrete():
            return f"Discrete({space.n})"
        case MultiDiscrete():
            return f"MultiDiscrete{list(space.nvec)}"
        case Tokens():
            return f"Tokens({space.vocabulary})"
        case Box():
            kind = "Box" if space.dtype == "float32" else f"Box of {space.dtype}"
            return f"{kind}{list(space.shape)}" + (f" in {_range(space)}" if bounds else "")


def _range(space: Box) -> str:
    low, high = (np.unique(bound) if len(np.unique(bound)) == 1 else bound.ravel() for bound in space.bounds())
    return f"[{', '.join(f'{x:g}' for x in low)}] to [{', '.join(f'{x:g}' for x in high)}]"


def _in_world(policy: Policy, place: WorldSource, episodes: int, seed: int) -> np.ndarray:
    world = place.world
    longest = (
        place.spec.action.longest
        if isinstance(place.spec.action, Tokens)
        else int(getattr(world, "horizon", None) or 10_000)
    )

    def run(policy: Policy, key: Any) -> Any:
        return traced_episodes(policy, world, key, episodes=episodes, longest=longest).returns

    return np.asarray(jax.jit(run)(policy, jax.random.key(seed)), np.float64)


def _in_simulator(policy: Policy, place: SimulatorSource, episodes: int, seed: int) -> np.ndarray:
    key = jax.random.key(seed)

    def decide(policy: Policy, obs: Any, carry: Any, step: Any) -> Any:
        action, carry, _ = act(policy, obs, carry, jax.random.fold_in(key, step), each=False)
        return action, carry

    program = jax.jit(decide)
    first = jax.jit(lambda policy: fresh_carries(policy, (), episodes, key, each=False))
    world = place.make(episodes)

    def actor(obs: Any, carry: Any, step: int) -> Any:
        carry = first(policy) if carry is None else carry
        action, carry = program(policy, obs, carry, np.int32(step))
        return jax.tree.map(np.asarray, action), carry

    try:
        return np.asarray(host_episodes(actor, world, [seed + episode for episode in range(episodes)]).returns)
    finally:
        world.close()
