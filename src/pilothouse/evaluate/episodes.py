"""How good is this policy, and how sure are we: returns on held-out episodes with an interval."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from pilothouse.core.errors import PolicyError, SettingError, SpaceError
from pilothouse.core.keys import at, named
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Tokens
from pilothouse.evaluate.until import Goal, Settled
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy, Random
from pilothouse.rollout.actors import Conduct, HostActor, actor_of
from pilothouse.rollout.episodes import Episodes, host_episodes, stepped_episodes, traced_episodes
from pilothouse.statistics import Interval, interquartile_mean, mean_interval
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.sources import SimulatorSource, WorldSource

BATCH = 20
"""Episodes that an evaluation with a goal runs before it looks again."""
MOST = 1000
"""Episodes that it runs at most, unless told otherwise."""
LONGEST = 100_000
"""Steps after which an episode in a simulator is counted as it stands: some environments never end."""


@dataclass(frozen=True)
class Evaluation:
    """Returns of every episode, their interquartile mean and mean, and a 95% interval of the mean.

    `success` is the share of episodes with a positive return where rewards are 0 or 1 at the end (text, mazes),
    None elsewhere. `notes` says what a reader of the numbers should know: actions that were clipped, decisions that took
    long, episodes that did not end. `settled` is how an evaluation with a goal ended; `interval` is then one that may be
    looked at all along, unknown (infinite ends) where the goal's sequence says nothing yet.
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
    settled: Settled | None = None

    def __str__(self) -> str:
        line = (
            f"{self.policy} in {self.env}: mean return {self.mean:.4g}, {100 * self.interval.level:g}% {self.interval} over "
            f"{self.episodes} episodes"
        )
        settled = [] if self.settled is None else [str(self.settled)]
        return "\n".join([line, *settled, *(f"note: {note}" for note in self.notes)])

    def as_json(self) -> dict[str, Any]:
        """For `--json`; `notes` is there only where there are any, and `until` where there was a goal."""
        found = {**self.__dict__, "interval": self.interval.to_json()}
        del found["notes"], found["settled"]
        if self.settled is not None:
            found["until"] = self.settled.as_json()
        return {**found, "notes": list(self.notes)} if self.notes else found


def evaluate_policy(
    policy: Policy | HostPolicy | str,
    place: WorldSource | SimulatorSource,
    *,
    episodes: int | None = None,
    goal: Goal | None = None,
    seed: int = 0,
    name: str = "policy",
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Run held-out episodes. `policy` acts in the place's own units, or is `random`.

    With a `goal` they are run in batches until it is settled: `episodes` are then the most that are run. By default 20,
    or 1000 with a goal. The first batch is the evaluation without one.

    `tell` is told at once of a policy that takes long to decide, and how far a long evaluation is.
    """
    most = (20 if goal is None else MOST) if episodes is None else episodes
    if most < 1:
        raise SettingError(f"episodes={most}; expected at least 1.")
    if seed < 0:
        raise SettingError(f"seed={seed}; expected at least 0.")
    spec = place.spec
    if goal is not None and goal.measure == "success" and not isinstance(spec.action, Tokens):
        raise SettingError(f"{goal}: {place.name} has no success, only returns; write 'return > …'.")
    if isinstance(policy, str):
        policy, name = Random(spec.action), policy
    check_policy_fits(policy, place)
    with _Acting(policy, place, HELD_OUT + seed, name, tell) as acting:
        settled = None if goal is None else _until(goal, acting, most, tell)
        if goal is None:
            acting.some(most)
    found, notes = acting.all(), acting.conduct.notes(name)
    returns = np.asarray(found.returns, np.float64)
    if unfinished := int((~np.asarray(found.ended)).sum()):
        notes.append(
            f"{unfinished} of {len(returns)} episodes had not ended after {int(np.max(found.lengths))} steps; "
            "their rewards until then are counted."
        )
    success = float(np.mean(returns > 0)) if isinstance(spec.action, Tokens) else None
    return Evaluation(
        name,
        place.name,
        len(returns),
        [float(r) for r in returns],
        float(interquartile_mean(returns)),
        float(np.mean(returns)),
        mean_interval(returns) if settled is None else settled.of_returns(returns),
        success,
        tuple(notes),
        settled,
    )


def _until(goal: Goal, acting: "_Acting", most: int, tell: Callable[[str], None] | None) -> Settled:
    """Act in batches until the goal is settled or the budget is spent."""
    said = BATCH
    while True:
        acting.some(min(BATCH, most - acting.count))
        interval = goal.sequence(acting.all().returns).after(acting.count)
        verdict = goal.verdict(interval)
        if verdict is not None or acting.count >= most:
            return Settled(goal, verdict or "not shown", interval, acting.count, most)
        if tell is not None and acting.count >= said:
            tell(f"{acting.count} of at most {most} episodes: {goal.measure} within {interval}")
            said *= 2


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


class _Acting:
    """One policy acting in one place, some episodes after others; none is lived twice."""

    def __init__(
        self,
        policy: Policy | HostPolicy,
        place: WorldSource | SimulatorSource,
        seed: int,
        name: str,
        tell: Callable[[str], None] | None,
    ):
        self.policy, self.place, self.seed, self.name, self.tell = policy, place, seed, name, tell
        self.count, self.conduct, self.batches = 0, Conduct(), list[Episodes]()
        self._simulators: Any = None

    def __enter__(self) -> "_Acting":
        return self

    def __exit__(self, *fault: object) -> None:
        if self._simulators is not None:
            self._simulators.close()

    def some(self, episodes: int) -> None:
        """So many more. Raises `PolicyError` where a return is no number."""
        traced = isinstance(self.place, WorldSource) and not isinstance(self.policy, HostPolicy)
        found = self._in_world(episodes) if traced else self._on_host(episodes)
        returns = np.asarray(found.returns, np.float64)
        if not np.isfinite(returns).all():
            raise PolicyError(
                f"{int((~np.isfinite(returns)).sum())} of {episodes} returns of {self.name} in {self.place.name} are NaN "
                "or infinite; a policy or environment that gives such numbers cannot be measured."
            )
        self.batches.append(Episodes(returns, np.asarray(found.lengths), np.asarray(found.ended)))
        self.count += episodes

    def all(self) -> Episodes:
        return Episodes(*(np.concatenate(parts) for parts in zip(*self.batches, strict=True)))

    @property
    def _key(self) -> PRNGKeyArray:
        """Of the next batch."""
        key = jax.random.key(self.seed)
        return at(named(key, "batch"), len(self.batches)) if self.batches else key

    @cached_property
    def _program(self) -> Any:
        assert isinstance(self.place, WorldSource)
        world, longest = self.place.world, _longest(self.place)

        def run(policy: Policy, key: PRNGKeyArray, episodes: int) -> Any:
            return traced_episodes(policy, world, key, episodes=episodes, longest=longest)

        return jax.jit(run, static_argnums=2)

    def _in_world(self, episodes: int) -> Episodes:
        return self._program(self.policy, self._key, episodes)

    def _on_host(self, episodes: int) -> Episodes:
        seed = self.seed
        if self.batches:
            seed = int(np.random.SeedSequence((seed, len(self.batches))).generate_state(1)[0] >> 1)
        actor = actor_of(self.policy, copies=episodes, seed=seed)
        if (tell := self.tell) is not None:
            actor.on_slow = lambda seconds: tell(
                f"{self.name} takes {seconds:.1f} s to decide for {episodes} episodes: "
                f"about {seconds * 1000 / 60:.0f} minutes for every 1000 steps"
            )
        found = self._stepped(actor, episodes)
        self.conduct.add(actor.conduct)
        return found

    def _stepped(self, actor: HostActor, episodes: int) -> Episodes:
        if isinstance(self.place, WorldSource):
            return stepped_episodes(actor, self.place.world, self._key, episodes=episodes, longest=_longest(self.place))
        if self._simulators is None or self._simulators.size != episodes:
            if self._simulators is not None:
                self._simulators.close()
            self._simulators = self.place.make(episodes)
        seeds = [self.seed + self.count + episode for episode in range(episodes)]
        return host_episodes(actor, self._simulators, seeds, longest=LONGEST)


def _longest(place: WorldSource) -> int:
    if isinstance(place.spec.action, Tokens):
        return place.spec.action.longest
    return int(getattr(place.world, "horizon", None) or 10_000)
