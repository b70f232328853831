"""How good is this policy, and how sure are we: returns on held-out episodes with an interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from pilothouse.core.errors import PolicyError, SettingError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Tokens
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy, Random
from pilothouse.rollout.actors import HostActor, actor_of
from pilothouse.rollout.episodes import Episodes, host_episodes, stepped_episodes, traced_episodes
from pilothouse.statistics import Interval, interquartile_mean, mean_interval
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.sources import SimulatorSource, WorldSource

LONGEST = 100_000
"""Steps after which an episode in a simulator is counted as it stands: some environments never end."""


@dataclass(frozen=True)
class Evaluation:
    """Returns of every episode, their interquartile mean and mean, and a 95% interval of the mean.

    `success` is the share of episodes with a positive return where rewards are 0 or 1 at the end (text, mazes),
    None elsewhere. `notes` says what a reader of the numbers should know: actions that were clipped, decisions that took
    long, episodes that did not end.
    """

    policy: str
    env: str
    episodes: int
    returns: list[float]
    iqm: float
    mean: float
    interval: Interval
    success: float | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = f"{self.policy} in {self.env}: mean return {self.mean:.1f}, 95% {self.interval} over {self.episodes} episodes"
        return "\n".join([line, *(f"note: {note}" for note in self.notes)])

    def as_json(self) -> dict[str, Any]:
        """For `--json`; `notes` is there only where there are any."""
        found = {**self.__dict__, "interval": self.interval.to_json()}
        del found["notes"]
        return {**found, "notes": list(self.notes)} if self.notes else found


def evaluate_policy(
    policy: Policy | HostPolicy | str,
    place: WorldSource | SimulatorSource,
    *,
    episodes: int = 20,
    seed: int = 0,
    name: str = "policy",
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Run held-out episodes. `policy` acts in the place's own units, or is `random`.

    `tell` is told at once of a policy that takes long to decide.
    """
    if episodes < 1:
        raise SettingError(f"episodes={episodes}; expected at least 1.")
    if seed < 0:
        raise SettingError(f"seed={seed}; expected at least 0.")
    spec, notes = place.spec, []
    if isinstance(policy, str):
        policy, name = Random(spec.action), policy
    check_policy_fits(policy, place)
    if isinstance(place, WorldSource) and not isinstance(policy, HostPolicy):
        found = _in_world(policy, place, episodes, HELD_OUT + seed)
    else:
        actor = actor_of(policy, copies=episodes, seed=HELD_OUT + seed)
        if tell is not None:
            actor.on_slow = lambda seconds: tell(
                f"{name} takes {seconds:.1f} s to decide for {episodes} episodes: "
                f"about {seconds * 1000 / 60:.0f} minutes for every 1000 steps"
            )
        found = _on_host(place, episodes, HELD_OUT + seed, actor)
        notes += actor.conduct.notes(name)
    returns = np.asarray(found.returns, np.float64)
    if not np.isfinite(returns).all():
        raise PolicyError(
            f"{int((~np.isfinite(returns)).sum())} of {episodes} returns of {name} in {place.name} are NaN or infinite; "
            "a policy or environment that gives such numbers cannot be measured."
        )
    if unfinished := int((~np.asarray(found.ended)).sum()):
        notes.append(
            f"{unfinished} of {episodes} episodes had not ended after {int(np.max(found.lengths))} steps; "
            "their rewards until then are counted."
        )
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
        tuple(notes),
    )


def check_policy_fits(policy: Policy | HostPolicy, place: WorldSource | SimulatorSource) -> None:
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


def _in_world(policy: Policy, place: WorldSource, episodes: int, seed: int) -> Episodes:
    world, longest = place.world, _longest(place)

    def run(policy: Policy, key: Any) -> Any:
        return traced_episodes(policy, world, key, episodes=episodes, longest=longest)

    return Episodes(*(np.asarray(part) for part in jax.jit(run)(policy, jax.random.key(seed))))


def _on_host(place: WorldSource | SimulatorSource, episodes: int, seed: int, actor: HostActor) -> Episodes:
    if isinstance(place, WorldSource):
        return stepped_episodes(actor, place.world, jax.random.key(seed), episodes=episodes, longest=_longest(place))
    world = place.make(episodes)
    try:
        return host_episodes(actor, world, [seed + episode for episode in range(episodes)], longest=LONGEST)
    finally:
        world.close()


def _longest(place: WorldSource) -> int:
    if isinstance(place.spec.action, Tokens):
        return place.spec.action.longest
    return int(getattr(place.world, "horizon", None) or 10_000)
