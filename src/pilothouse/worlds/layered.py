"""Environments in three layers, from a small specification: what happens and pays, what is seen of it, and how it is told.

The base layer is a `Tabular` world of a square grid: a goal, traps, walls, perhaps a key that the goal asks for, perhaps
ground that slips. The observation layer shows the place, only the walls around it, or nothing. The skin names actions and
places: plainly, with every direction called by its opposite, or in made-up words. The same base may be seen and told in any
way, so that what an agent lacks can be told apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pilothouse.core.errors import SettingError, unknown
from pilothouse.worlds.tabular import Tabular

DIRECTIONS = ("north", "east", "south", "west")
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
SEES = ("place", "walls", "nothing")
TOLD = ("plainly", "inversely", "in codes")
CODES = ("lum", "ora", "vek", "tis")
WORTH = 0.2
"""How much better the best must be than chance for an environment to be worth playing."""


@dataclass(frozen=True)
class LayeredSpec:
    """Cells of a square of this `side` are numbered by rows from 0; the start is cell 0.

    `goal` pays 1 and `traps` -1, and both end an episode, which has at most `horizon` steps; with a `key`, the goal pays
    (and ends it) only once that cell was passed. With chance `slip` any direction happens in place of the one meant.
    Raises `SettingError` for cells outside the square, at the start, or given twice, and for unknown layers.
    """

    side: int = 4
    goal: int = 15
    traps: tuple[int, ...] = ()
    walls: tuple[int, ...] = ()
    key: int | None = None
    slip: float = 0.0
    horizon: int = 14
    sees: str = "place"
    told: str = "plainly"

    def __post_init__(self) -> None:
        cells = [self.goal, *self.traps, *self.walls, *([] if self.key is None else [self.key])]
        if not all(isinstance(number, int) for number in (self.side, self.horizon, *cells)):
            raise SettingError(f"side={self.side!r}, horizon={self.horizon!r}, cells {cells}; expected whole numbers.")
        if self.side < 2 or self.horizon < 1 or not 0 <= self.slip < 1:
            raise SettingError(
                f"side={self.side}, horizon={self.horizon}, slip={self.slip}; expected at least 2, at least 1, and a "
                "chance below 1."
            )
        if len(set(cells)) < len(cells) or not all(0 < cell < self.side**2 for cell in cells):
            raise SettingError(f"Cells {cells}; expected each once, from 1 to {self.side**2 - 1} (0 is the start).")
        for name, value, known in (("sees", self.sees, SEES), ("told", self.told, TOLD)):
            if value not in known:
                raise unknown(name, value, known)

    @classmethod
    def from_json(cls, text: str) -> "LayeredSpec":
        """From `{"side": 4, "goal": 15, "walls": [5], "sees": "walls"}`; what is left out stays as it is by default.

        Raises `SettingError` for anything else.
        """
        try:
            given: Any = json.loads(text)
            unfit = not isinstance(given, dict) or set(given) - {field.name for field in fields(cls)}
        except (json.JSONDecodeError, RecursionError):
            unfit, given = True, {}
        if unfit:
            raise SettingError(
                f"{text[:60]!r} is no specification; expected a JSON object of "
                f"{', '.join(field.name for field in fields(cls))}."
            )
        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        try:
            return cls(**lists)
        except TypeError as fault:
            raise SettingError(f"{text[:60]!r} holds values of another kind: {fault}.") from fault

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Layered:
    """An environment of words: `reset(generator) -> text`, `step(action) -> text, reward, ended`; actions are `names`."""

    def __init__(self, spec: LayeredSpec):
        self.spec = spec
        if spec.told == "plainly":
            self.names = DIRECTIONS
        elif spec.told == "inversely":
            self.names = tuple(DIRECTIONS[(number + 2) % 4] for number in range(4))
        else:
            # The order of the words hangs on the goal, so that none of them means the same everywhere.
            self.names = tuple(CODES[(number * (3 if spec.goal % 2 else 1) + spec.goal) % 4] for number in range(4))
        self._state, self._time, self._draw = 0, 0, np.random.default_rng(0)

    @cached_property
    def tables(self) -> tuple[Float[np.ndarray, "state action next"], Float[np.ndarray, "state action"]]:
        """Transitions and expected rewards of the base layer; states are cells, and again with the key."""
        spec, cells = self.spec, self.spec.side**2
        states = cells * (1 if spec.key is None else 2)
        moved = np.zeros((states, 4), int)
        for state in range(states):
            row, column = divmod(state % cells, spec.side)
            for action, (down, right) in enumerate(STEPS):
                to_row, to_column = row + down, column + right
                inside = 0 <= to_row < spec.side and 0 <= to_column < spec.side
                cell = to_row * spec.side + to_column if inside else state % cells
                cell = state % cells if cell in spec.walls else cell
                holds = state >= cells or cell == spec.key
                moved[state, action] = cell + cells * holds
        meant = np.eye(states)[moved]
        transition = (1 - spec.slip) * meant + spec.slip * meant.mean(axis=1, keepdims=True)
        worth = np.zeros(states)
        worth[[trap + cells * k for trap in spec.traps for k in range(states // cells)]] = -1
        worth[spec.goal + states - cells] = 1
        transition[self.terminal] = np.eye(states)[self.terminal][:, None]
        return transition, np.where(self.terminal[:, None], 0, transition @ worth)

    @cached_property
    def terminal(self) -> Bool[np.ndarray, " state"]:
        spec, cells = self.spec, self.spec.side**2
        states = cells * (1 if spec.key is None else 2)
        found = np.isin(np.arange(states) % cells, spec.traps)
        found[spec.goal + states - cells] = True
        return found

    def world(self) -> Tabular:
        """The base layer alone, for agents that see everything."""
        transition, reward = self.tables
        return Tabular.of(
            transition, reward, start=np.eye(len(reward))[0], terminal=self.terminal, horizon=self.spec.horizon
        )

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """What random actions and the best ones, seeing everything, earn from the start within the horizon."""
        transition, reward = self.tables
        random, best = np.zeros(len(reward)), np.zeros(len(reward))
        for _ in range(self.spec.horizon):
            random = (reward + transition @ random).mean(axis=1)
            best = (reward + transition @ best).max(axis=1)
        return float(random[0]), float(best[0])

    def reset(self, generator: np.random.Generator) -> str:
        self._state, self._time, self._draw = 0, 0, generator
        return self.seen()

    def step(self, action: str) -> tuple[str, float, bool]:
        """Raises `UnknownNameError` for an action that has another name."""
        if action not in self.names:
            raise unknown("action", action, self.names)
        self._time += 1
        likely = self._cumulative[self._state, self.names.index(action)]
        self._state = min(int(np.searchsorted(likely, self._draw.random(), side="right")), len(likely) - 1)
        ended = bool(self.terminal[self._state])
        reward = 0.0 if not ended else -1.0 if self._state % self.spec.side**2 in self.spec.traps else 1.0
        return self.seen(), reward, ended or self._time >= self.spec.horizon

    @cached_property
    def _cumulative(self) -> Float[np.ndarray, "state action next"]:
        return self.tables[0].cumsum(axis=-1)

    def seen(self) -> str:
        """What is told of where we are."""
        spec, cells = self.spec, self.spec.side**2
        held = " You hold the key." if self._state >= cells else ""
        if spec.sees == "nothing":
            return "It is dark." + held
        cell = self._state % cells
        row, column = divmod(cell, spec.side)
        if spec.sees == "walls":
            shut = []
            for name, (down, right) in zip(self.names, STEPS, strict=True):
                to_row, to_column = row + down, column + right
                inside = 0 <= to_row < spec.side and 0 <= to_column < spec.side
                if not inside or to_row * spec.side + to_column in spec.walls:
                    shut.append(name)
            return f"There are walls {', '.join(sorted(shut)) or 'nowhere'}." + held
        if spec.told == "in codes":
            told = "-".join(CODES[number % 4] * (number // 4 + 1) for number in (row, column))
            return f"You are in {told}." + held
        to_row, to_column = divmod(spec.goal, spec.side)
        return f"You are at row {row}, column {column}; the goal is at row {to_row}, column {to_column}." + held


def faults_of(spec: LayeredSpec) -> list[str]:
    """Why an environment is not worth playing; none where it is."""
    environment = Layered(spec)
    random, best = environment.bounds
    found = []
    if best <= 0:
        found.append("the goal cannot be reached in time")
    elif best - random < WORTH:
        found.append(f"the best earns {best:.2f} and chance {random:.2f}: too little between them")
    if spec.key is not None:
        if Layered(replace(spec, key=None)).bounds[1] <= 0:
            found.append("the goal cannot be reached even without its key")
    return found


BASES: Mapping[str, Mapping[str, Any]] = {
    "open": {},
    "walled": {"walls": 4},
    "locked": {"key": True},
    "slippery": {"slip": 0.2, "traps": 2},
}


def generated(base: str, sees: str, told: str, generator: np.random.Generator) -> LayeredSpec:
    """An environment of this kind that has no faults: cells are drawn until it has none."""
    kind = BASES[base]
    while True:
        cells = [int(cell) for cell in 1 + generator.permutation(15)]
        spec = LayeredSpec(
            goal=cells[0],
            walls=tuple(cells[1 : 1 + kind.get("walls", 0)]),
            traps=tuple(cells[5 : 5 + kind.get("traps", 0)]),
            key=cells[9] if kind.get("key") else None,
            slip=kind.get("slip", 0.0),
            sees=sees,
            told=told,
        )
        if not faults_of(spec):
            return spec


def thirty_six(generator: np.random.Generator) -> Sequence[LayeredSpec]:
    """One of every base, observation layer and skin."""
    return [generated(base, sees, told, generator) for base in BASES for sees in SEES for told in TOLD]
