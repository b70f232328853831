"""Small scenes in which somebody goes for things: nine trials a session, and endings that are and are not to be expected.

On a plane of cells an agent starts in the middle and goes for one of the objects around it, a cell a frame, diagonals
allowed. Which object it prefers, and whether it goes straight, is its own; walls stand in the way, cages hold objects, and
keys open cages. Eight trials make somebody familiar with the agents; the ninth is the test. Made after the Baby Intuitions
Benchmark (Gandhi, Stojnic, Lake and Dillon, arXiv:2102.11938), whose scenes are pictures.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from pilothouse.core.spaces import Box, Spec

TRIALS, STEPS, FRAMES = 9, 4, 3
"""Trials a session, steps after which every trial is over, and frames of a trial that are kept: its first two and its last."""

SHAPES = 6
"""Identities that agents, and objects, can have."""

NODES = ("agent", "object", "object", "key", "cage", "wall")
KINDS = ("agent", "object", "key", "cage", "wall")
FEATURES = len(KINDS) + SHAPES + 2
SPEC = Spec(Box((TRIALS * FRAMES, len(NODES), FEATURES)), Box((TRIALS * FRAMES, 2), -1.0, 1.0))
"""Observed are the frames of a session; what is to be said is the agent's step, in cells, after each of them."""

LEARNED = ("preference", "two agents", "new agent", "walls", "keys", "shut")
"""What sessions are about: one agent and two objects; two agents in turn; one whom another may replace in the last trial;
one object, now and then behind a wall; one object, now and then in a cage with the key about; two, the preferred now and
then in a cage without a key."""

TASKS = ("preference", "binding", "new agent", "efficiency", "irrational", "instrumental", "inaccessible")
"""What endings are about; see `endings`."""

Cells = Int[np.ndarray, "session trial 2"]
AROUND = np.array([(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)])
"""The cells next to the middle."""

RING = np.array([(x, y) for x in range(-2, 3) for y in range(-2, 3) if max(abs(x), abs(y)) == 2])
"""Those two steps away, where objects are."""


@dataclass(frozen=True)
class Plans:
    """What is there and what is done, by session and trial. `prefers` and `rational` have a column for each agent.

    `goal` is the cell that the agent ends up in, `first` its first step. Cages, keys and walls that are absent have a cell
    all the same.
    """

    agents: Int[np.ndarray, "session 2"]
    objects: Int[np.ndarray, "session 2"]
    prefers: Int[np.ndarray, "session 2"]
    rational: Bool[np.ndarray, "session 2"]
    who: Int[np.ndarray, "session trial"]
    places: Int[np.ndarray, "session trial object 2"]
    second: Bool[np.ndarray, "session trial"]
    wall: Bool[np.ndarray, "session trial"]
    cage: Bool[np.ndarray, "session trial"]
    key: Bool[np.ndarray, "session trial"]
    key_place: Cells
    goal: Cells
    first: Cells

    def ending(self, **changed: np.ndarray) -> "Plans":
        """The same with other last trials: arrays without the axis of trials."""
        return replace(self, **{name: _ending(getattr(self, name), value) for name, value in changed.items()})


@dataclass(frozen=True)
class Sessions:
    """Frames as nodes with features (kind, identity, cell; all 0 where there is none), and the agent's step after each."""

    obs: Float[np.ndarray, "session frame node feature"]
    action: Float[np.ndarray, "session frame 2"]


def drawn_plans(kind: str, sessions: int, draw: np.random.Generator) -> Plans:
    """Sessions of one of the kinds of `LEARNED`, in which agents do as they are."""
    shape = (sessions, TRIALS)
    prefers = draw.integers(2, size=(sessions, 2))
    rational = np.repeat(draw.random((sessions, 1)) < (0.5 if kind == "walls" else 1.0), 2, axis=1)
    who = draw.integers(2, size=shape) if kind == "two agents" else np.zeros(shape, int)
    if kind == "new agent":
        who[:, -1] = draw.integers(2, size=sessions)
    chosen = np.argsort(draw.random((*shape, len(RING))), axis=2)[..., :2]
    places = RING[chosen]
    # A key never lies on the straight way to the first object: to go there first would not show.
    straight = (_unit(places[:, :, :1]) == AROUND).all(axis=3).argmax(axis=2)
    key_place = AROUND[(straight + draw.integers(1, len(AROUND), size=shape)) % len(AROUND)]
    sometimes = draw.random(shape) < 0.5
    plans = Plans(
        agents=_two(sessions, draw),
        objects=_two(sessions, draw),
        prefers=prefers,
        rational=rational,
        who=who,
        places=places,
        second=np.full(shape, kind in ("preference", "two agents", "new agent", "shut")),
        wall=sometimes & (kind == "walls"),
        cage=sometimes & (kind in ("keys", "shut")),
        key=np.full(shape, kind == "keys"),
        key_place=key_place,
        goal=np.zeros((*shape, 2), int),
        first=np.zeros((*shape, 2), int),
    )
    if kind in ("walls", "keys"):
        plans = replace(plans, prefers=np.zeros_like(prefers))
    return done(plans)


def done(plans: Plans) -> Plans:
    """The plans with `goal` and `first` as the agents are: the key first if it is needed, round what is in the way."""
    wanted = np.take_along_axis(plans.prefers, plans.who, axis=1)
    shut = plans.cage & ~plans.key
    goal = _of(plans.places, np.where(shut, 1 - wanted, wanted))
    straight = _unit(goal)
    rational = np.take_along_axis(plans.rational, plans.who, axis=1)
    first = np.where((plans.wall | ~rational)[..., None], round_about(straight), straight)
    first = np.where((plans.cage & plans.key)[..., None], plans.key_place, first)
    return replace(plans, goal=goal, first=first)


def round_about(straight: Int[np.ndarray, "*batch 2"]) -> Int[np.ndarray, "*batch 2"]:
    """A first step at right angles to the straight one, to the left."""
    return np.stack([-straight[..., 1], straight[..., 0]], axis=-1)


def filmed(plans: Plans) -> Sessions:
    """What is seen of it. A key that is reached is gone, and the cage with it."""
    sessions = len(plans.agents)
    wanted = np.take_along_axis(plans.prefers, plans.who, axis=1)
    caged = _of(plans.places, wanted)
    straight = _unit(plans.goal)
    agent, objects = np.take_along_axis(plans.agents, plans.who, axis=1), plans.objects
    place = np.zeros((sessions, TRIALS, 2), int)
    key, cage = plans.key.copy(), plans.cage.copy()
    obs = np.zeros((sessions, TRIALS, STEPS + 1, len(NODES), FEATURES), np.float32)
    action = np.zeros((sessions, TRIALS, STEPS + 1, 2), np.float32)
    always = np.ones((sessions, TRIALS), bool)
    for frame in range(STEPS + 1):
        if frame:
            taken = key & (place == plans.key_place).all(axis=2)
            key, cage = key & ~taken, cage & ~taken
        shown = (
            (always, place, agent),
            (always, plans.places[:, :, 0], np.broadcast_to(objects[:, :1], always.shape)),
            (plans.second, plans.places[:, :, 1], np.broadcast_to(objects[:, 1:], always.shape)),
            (key, plans.key_place, None),
            (cage, caged, None),
            (plans.wall, straight, None),
        )
        for node, (there, cell, identity) in enumerate(shown):
            obs[:, :, frame, node, KINDS.index(NODES[node])] = there
            if identity is not None:
                obs[:, :, frame, node, len(KINDS) : -2] = np.eye(SHAPES)[identity] * there[..., None]
            obs[:, :, frame, node, -2:] = cell * there[..., None]
        step = plans.first if frame == 0 else np.sign(plans.goal - place)
        action[:, :, frame], place = step, place + step
    kept = [0, 1, STEPS]
    return Sessions(
        obs[:, :, kept].reshape(sessions, -1, len(NODES), FEATURES), action[:, :, kept].reshape(sessions, -1, 2)
    )


def learning_sessions(sessions: int, draw: np.random.Generator) -> Sessions:
    """So many, rounded up to as many of each kind, in which nothing unexpected happens."""
    each = [filmed(drawn_plans(kind, -(-sessions // len(LEARNED)), draw)) for kind in LEARNED]
    return Sessions(np.concatenate([one.obs for one in each]), np.concatenate([one.action for one in each]))


def endings(task: str, pairs: int, draw: np.random.Generator) -> tuple[Sessions, Sessions]:
    """Pairs of sessions: with an ending that is to be expected, and with one that is not.

    - `preference`: the agent goes for the object that it prefers; for the other one.
    - `binding`: the same where another agent, seen in turn with it, prefers the other.
    - `new agent`: somebody not seen before goes for what the familiar agent did not want; that agent does.
    - `efficiency`: one who went round walls goes straight without; goes round all the same.
    - `irrational`: one who always went round goes round; one who went round walls only does.
    - `instrumental`: to the object, which no cage holds; to the key first.
    - `inaccessible`: to the other object, as the preferred one is in a cage; though it is not.
    """
    kinds = {"binding": "two agents", "efficiency": "walls", "irrational": "walls", "instrumental": "keys"}
    plans = drawn_plans({**kinds, "inaccessible": "shut"}.get(task, task), pairs, draw)
    shape, none = plans.who.shape, np.zeros(pairs, bool)
    if task == "binding":
        # Both are met while getting familiar, as often as each other, and want different things.
        who = np.argsort(draw.random((pairs, TRIALS - 1)), axis=1) % 2
        who = np.concatenate([who, draw.integers(2, size=(pairs, 1))], axis=1)
        plans = done(replace(plans, who=who, prefers=np.stack([plans.prefers[:, 0], 1 - plans.prefers[:, 0]], axis=1)))
    elif task == "new agent":
        plans = done(replace(plans, who=np.zeros(shape, int)))
    elif task in ("efficiency", "irrational"):
        plans = done(replace(plans, rational=np.ones((pairs, 2), bool)).ending(wall=none))
    elif task in ("instrumental", "inaccessible"):
        plans = done(plans.ending(cage=none))
    last = np.take_along_axis(plans.prefers, plans.who, axis=1)[:, -1]
    other = plans.places[np.arange(pairs), -1, 1 - last]
    missed = plans.ending(goal=other, first=_unit(other))
    if task in ("preference", "binding"):
        expected, unexpected = plans, missed
    elif task == "new agent":
        expected, unexpected = missed.ending(who=np.ones(pairs, int)), missed
    elif task == "efficiency":
        expected, unexpected = plans, plans.ending(first=round_about(_unit(plans.goal[:, -1])))
    elif task == "irrational":
        expected = done(replace(plans, rational=np.zeros((pairs, 2), bool)))
        unexpected = plans.ending(first=expected.first[:, -1])
    elif task == "instrumental":
        expected, unexpected = plans, plans.ending(first=plans.key_place[:, -1])
    else:
        expected, unexpected = missed.ending(cage=~none), missed
    return filmed(expected), filmed(unexpected)


def _two(sessions: int, draw: np.random.Generator) -> Int[np.ndarray, "session 2"]:
    return np.argsort(draw.random((sessions, SHAPES)), axis=1)[:, :2]


def _of(places: Int[np.ndarray, "session trial object 2"], which: Int[np.ndarray, "session trial"]) -> Cells:
    return np.take_along_axis(places, which[..., None, None], axis=2)[:, :, 0]


def _unit(cells: Int[np.ndarray, "*batch 2"]) -> Int[np.ndarray, "*batch 2"]:
    return np.sign(cells)


def _ending(whole: np.ndarray, last: np.ndarray) -> np.ndarray:
    changed = whole.copy()
    changed[:, -1] = last
    return changed
