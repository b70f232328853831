"""Tiny Gymnasium environments, one for each kind of observation and of action: `--env space_environments:See-image-v0`.

What is seen hides one bit, and every part of an action that agrees with the bit is paid. An action outside its space, or
one that the mask forbids, is an error at once: nothing here forgives.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

STEPS = 5
"""Steps of an episode; each pays at most 1."""


def plain(size: int = 3) -> spaces.Box:
    return spaces.Box(-1, 1, (size,), np.float32)


def picture(channels: int) -> spaces.Box:
    return spaces.Box(0, 255, (8, 8, channels), np.uint8)


def bright_left(pixels: np.ndarray) -> bool:
    return bool(pixels[:, :4].mean() > pixels[:, 4:].mean())


Bit = Callable[[Any], bool]
SEEN: dict[str, tuple[spaces.Space, Bit]] = {
    "box": (spaces.Box(np.full(3, -1.0), np.full(3, 1.0), dtype=np.float64), lambda obs: obs[0] > 0),
    "discrete": (spaces.Discrete(4, start=3), lambda obs: obs >= 5),
    "multidiscrete": (spaces.MultiDiscrete([2, 3], start=[1, -1]), lambda obs: obs[0] == 2),
    "dict": (
        spaces.Dict(
            {"far": plain(2), "place": spaces.Discrete(2, start=-1), "pair": spaces.MultiDiscrete([2, 2], start=[0, 4])}
        ),
        lambda obs: (obs["far"][1] > 0) + (obs["place"] == 0) + (obs["pair"][1] == 5) >= 2,
    ),
    "image": (picture(3), bright_left),
    "camera": (
        spaces.Dict({"camera": picture(1), "speed": plain(1)}),
        lambda obs: bright_left(obs["camera"]) or obs["speed"][0] > 0.5,
    ),
    "boxes": (
        spaces.Dict(
            {
                "matrix": spaces.Box(-np.inf, np.inf, (2, 2), np.float32),
                "number": spaces.Box(-1, 1, (), np.float32),
                "few": spaces.Box(-3, 3, (2,), np.int8),
            }
        ),
        lambda obs: (obs["matrix"][1, 1] > 0) + (obs["number"] > 0) + (obs["few"][0] > 0) >= 2,
    ),
    "slashed": (spaces.Dict({"arm/far": plain(2), "arm/eye": picture(1)}), lambda obs: obs["arm/far"][0] > 0),
    "int8": (spaces.Box(-3, 3, (2,), np.int8), lambda obs: obs[0] > 0),
    # What no recipe takes.
    "text": (spaces.Text(5), lambda obs: False),
    "graph": (spaces.Graph(plain(2), None), lambda obs: False),
    "sequence": (spaces.Sequence(spaces.Discrete(2)), lambda obs: False),
    "tuple": (spaces.Tuple([spaces.Discrete(2), plain(1)]), lambda obs: False),
    "oneof": (spaces.OneOf([spaces.Discrete(2), plain(1)]), lambda obs: False),
    "binary": (spaces.MultiBinary(3), lambda obs: False),
    "ints": (spaces.Box(0, 5, (3,), np.int64), lambda obs: False),
    "bools": (spaces.Box(0, 1, (3,), np.bool_), lambda obs: False),
    "nested": (spaces.Dict({"outer": spaces.Dict({"inner": spaces.Discrete(2)})}), lambda obs: False),
    "words": (spaces.Dict({"said": spaces.Text(5), "far": plain(1)}), lambda obs: False),
    "empty": (spaces.Dict({}), lambda obs: False),
    "nothing": (spaces.Box(0, 1, (0,), np.float32), lambda obs: False),
    "numbered": (spaces.Dict({3: plain(1)}), lambda obs: False),  # type: ignore
    "none": (None, lambda obs: False),  # type: ignore
}
DONE: dict[str, spaces.Space] = {
    "two": spaces.Discrete(2, start=5),
    "box": spaces.Box(np.array([-2.0, -1.0]), np.array([2.0, 1.0]), dtype=np.float64),
    "open": spaces.Box(np.array([-np.inf, 0], np.float32), np.array([np.inf, np.inf], np.float32)),
    "multidiscrete": spaces.MultiDiscrete([2, 3], start=[1, -1]),
    "dict": spaces.Dict(
        {
            "push": spaces.Box(-3, 3, (2, 2), np.float32),
            "turn": spaces.Discrete(3, start=4),
            "grip": spaces.Discrete(2),
        }
    ),
    "pixels": picture(3),
    **{
        kind: SEEN[kind][0]
        for kind in ("text", "graph", "sequence", "tuple", "binary", "ints", "nested", "int8", "nothing", "none")
    },
}


def agreement(space: spaces.Space, action: Any, bit: bool) -> float:
    """The share of the action's parts that agree with the bit: the last choice or a positive number for 1."""
    match space:
        case spaces.Dict():
            return float(np.mean([agreement(inner, action[name], bit) for name, inner in space.items()]))
        case spaces.Discrete():
            return float(action == space.start + (space.n - 1) * bit)
        case spaces.MultiDiscrete():
            return float(np.mean(action == space.start + (space.nvec - 1) * bit))
        case _:
            return float((np.ravel(action)[0] > 0) == bit)


class Hidden(gymnasium.Env):
    """Shows draws from a space, each of which hides a bit."""

    def __init__(self, seen: str, done: str):
        (self.observation_space, self.bit), self.action_space = SEEN[seen], DONE[done]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.look(), {}

    def look(self) -> Any:
        if self.count == 0:  # spaces draw from a generator of their own, and are shared
            self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.seen = self.observation_space.sample()
        for pixels in self.seen.values() if isinstance(self.seen, dict) else [self.seen]:
            if np.ndim(pixels) == 3:
                side = slice(0, 4) if self.np_random.random() < 0.5 else slice(4, 8)
                pixels[:, side] //= 4
        return self.seen

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        pay = agreement(self.action_space, action, bool(self.bit(self.seen)))
        self.count += 1
        return self.look(), pay, self.count >= STEPS, False, {}


class Misleading(Hidden):
    """Shows something else than its space says: at once, or (`later-…`) after the first step."""

    FAULTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "short": ("box", lambda obs: obs[:1]),
        "column": ("box", lambda obs: obs[:, None]),
        "scalar": ("box", lambda obs: float(obs[0])),
        "words": ("box", lambda obs: "hello"),
        "complex": ("box", lambda obs: obs * 1j),
        "nothing": ("box", lambda obs: None),
        "ragged": ("box", lambda obs: (obs, obs[:1])),
        "floats": ("image", lambda obs: obs / 255),
        "range": ("discrete", lambda obs: 2),
        "ranges": ("multidiscrete", lambda obs: obs + 5),
        "lacking": ("dict", lambda obs: {"far": obs["far"]}),
        "unnamed": ("dict", lambda obs: obs["far"]),
    }

    def __init__(self, fault: str):
        self.later, name = fault.startswith("later-"), fault.removeprefix("later-")
        seen, self.spoil = self.FAULTS[name]
        super().__init__(seen, "two")

    def look(self) -> Any:
        obs = super().look()
        return obs if self.later and self.count == 0 else self.spoil(obs)


class Masked(gymnasium.Env):
    """Some choices are forbidden at every step, and would be paid best; `taken` counts the steps of all copies.

    The mask is in the observation (`obs`) or in `info`, there flat (`info`) or in Gymnasium's own form (`parts`). After
    the last step of an episode nothing is allowed, or (`last="none"`) nothing is said.
    """

    taken = 0
    ACTIONS: dict[str, spaces.Space] = {
        "discrete": spaces.Discrete(4, start=2),
        "multidiscrete": spaces.MultiDiscrete([2, 3], start=[1, -1]),
        "dict": spaces.Dict(
            {"pair": spaces.MultiDiscrete([2, 2]), "push": plain(2), "turn": spaces.Discrete(3, start=-1)}
        ),
        "box": plain(2),
    }
    SIZES = {"discrete": [4], "multidiscrete": [2, 3], "dict": [2, 2, 3], "box": [2]}

    def __init__(self, done: str, where: str, last: str = "zeros", extra: int = 0):
        self.kind, self.where, self.last, self.extra = done, where, last, extra
        self.action_space, self.sizes = self.ACTIONS[done], self.SIZES[done]
        mask = spaces.Box(0, 1, (sum(self.sizes) + extra,), np.int8)
        self.observation_space = spaces.Dict({"far": plain(2), "action_mask": mask}) if where == "obs" else plain(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.look()

    def look(self) -> tuple[Any, dict[str, Any]]:
        over = self.count >= STEPS
        self.allowed = [np.zeros(size, np.int8) for size in self.sizes]
        for part in self.allowed:
            part[self.np_random.permutation(len(part))[: self.np_random.integers(1, len(part))]] = not over
        far = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        flat = np.concatenate([*self.allowed, np.ones(self.extra, np.int8)])
        if self.where == "obs":
            return {"far": far, "action_mask": flat}, {}
        return far, {} if over and self.last == "none" else {"action_mask": self.as_gymnasium(flat)}

    def as_gymnasium(self, flat: np.ndarray) -> Any:
        if self.where != "parts" or len(self.allowed) == 1:
            return flat
        if self.kind == "multidiscrete":
            return tuple(self.allowed)
        return {"pair": tuple(self.allowed[:2]), "push": None, "turn": self.allowed[2]}

    def choices(self, action: Any) -> list[int]:
        """The action's choices, counted from 0, in the order of the mask."""
        if self.kind == "dict":
            return [*action["pair"], action["turn"] + 1]
        return [action - 2] if self.kind == "discrete" else [action[0] - 1, action[1] + 1]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        for part, choice in zip(self.allowed, self.choices(action), strict=True):
            assert part[choice], f"choice {choice} is forbidden by {part}"
        Masked.taken += 1
        self.count += 1
        obs, info = self.look()
        return obs, float(np.mean(self.choices(action))), self.count >= STEPS, False, info


def register(name: str, entry: Any, **options: Any) -> None:
    gymnasium.register(f"{name}-v0", entry, kwargs=options)


for kind in SEEN:
    register(f"See-{kind}", Hidden, seen=kind, done="two")
for kind in DONE:
    register(f"Do-{kind}", Hidden, seen="box", done=kind)
for kind, done in (("multidiscrete", "multidiscrete"), ("dict", "dict"), ("boxes", "open")):
    register(f"See-{kind}-do-{done}", Hidden, seen=kind, done=done)
for fault in (*Misleading.FAULTS, "later-short", "later-words", "later-lacking"):
    register(f"Misleading-{fault}", Misleading, fault=fault)
for kind in Masked.ACTIONS:
    for place in ("obs", "info", "parts"):
        register(f"Masked-{kind}-{place}", Masked, done=kind, where=place)
register("Masked-silent", Masked, done="discrete", where="info", last="none")
register("Masked-long-obs", Masked, done="discrete", where="obs", extra=2)
register("Masked-long-info", Masked, done="discrete", where="info", extra=2)
