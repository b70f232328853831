"""Tidying up, in words: "a dirty sock" is in hand, and belongs in one of nine places.

Things are of kinds, and kinds of kinds. Where a thing belongs follows from its kind and from what is the matter with it,
with exceptions; half of the things of every kind may be kept back, so that who goes by names is told from who goes by
kinds. In the manner of TextWorld Commonsense (Murugesan et al., arXiv:2010.03790); things, places and rules are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.errors import SettingError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.timed import Timed, outcome
from pilothouse.worlds.world import Outcome, Task

KINDS: Mapping[str, tuple[str, ...]] = {
    "fruit": ("apple", "pear", "plum", "grape", "melon", "peach"),
    "vegetable": ("carrot", "leek", "cabbage", "pea", "lettuce", "celery"),
    "tuber": ("potato", "onion", "garlic", "yam", "beetroot", "turnip"),
    "top": ("shirt", "jumper", "blouse", "vest", "cardigan", "tunic"),
    "bottom": ("sock", "skirt", "trouser", "stocking", "kilt", "legging"),
    "shoe": ("boot", "sandal", "slipper", "clog", "trainer", "loafer"),
    "dish": ("plate", "bowl", "saucer", "platter", "tureen", "dinner plate"),
    "drinkware": ("cup", "mug", "glass", "goblet", "tumbler", "beaker"),
    "toy": ("ball", "doll", "kite", "puzzle", "marble", "top hat"),
}
"""The things of each kind; the first half of them is seen, the second kept back."""

ABOVE: Mapping[str, str] = {
    "fruit": "food", "vegetable": "food", "tuber": "food", "food": "thing",
    "top": "clothes", "bottom": "clothes", "shoe": "clothes", "clothes": "thing",
    "dish": "crockery", "drinkware": "crockery", "crockery": "thing", "toy": "thing",
}  # fmt: skip

PLACES = ("fridge", "pantry", "bin", "wardrobe", "laundry basket", "shoe rack", "cupboard", "dishwasher", "toy box")

MATTERS = ("", "rotten", "dirty", "broken")
"""What may be the matter with a thing; half of all things are in order, and food is never broken."""

TAXONOMY: Mapping[str, str] = {**{thing: kind for kind, things in KINDS.items() for thing in things}, **ABOVE}
"""What stands right above each thing and kind."""

THINGS = tuple(thing for things in KINDS.values() for thing in things)


def kinds_of(thing: str) -> tuple[str, ...]:
    """All kinds of a thing, the nearest first."""
    found, name = [], thing
    while name in TAXONOMY:
        name = TAXONOMY[name]
        found.append(name)
    return tuple(found)


def belongs(thing: str, matter: str) -> str:
    """The place of a thing in this state."""
    kinds = kinds_of(thing)
    if "food" in kinds:
        return "bin" if matter == "rotten" else "pantry" if "tuber" in kinds else "fridge"
    if matter == "broken":
        return "bin"
    if "clothes" in kinds:
        return "shoe rack" if "shoe" in kinds else "laundry basket" if matter == "dirty" else "wardrobe"
    if "crockery" in kinds:
        return "dishwasher" if matter == "dirty" else "cupboard"
    return "toy box"


def matters_of(thing: str) -> tuple[str, ...]:
    """What may be the matter with it, beside nothing."""
    return ("rotten", "dirty") if "food" in kinds_of(thing) else ("dirty", "broken")


_PLACE = np.array(
    [[PLACES.index(belongs(thing, matter)) for matter in MATTERS] for thing in THINGS], np.int32
)  # [thing, matter]
_MATTERS = np.array([[MATTERS.index(matter) for matter in matters_of(thing)] for thing in THINGS], np.int32)
_ALL_KINDS = tuple(dict.fromkeys(kind for thing in THINGS for kind in kinds_of(thing)))
_OF_KIND = np.array([[kind in kinds_of(thing) for kind in _ALL_KINDS] for thing in THINGS], np.float32)


@jax.tree_util.register_static
@dataclass(frozen=True)
class TidyUp:
    """Observation: which words are said (1, else 0): the thing's, and what is the matter. Action: one of nine places.

    The right place pays 1 and the next thing is taken up; a wrong one pays 0 and the thing stays in hand. There is always
    another thing: never terminates, truncated at `horizon`. `things`: those that are `seen`, those that are kept back
    (`unseen`), or `all`. `told`: the observation also says all kinds of the thing.
    """

    things: str = "seen"
    told: bool = False
    horizon: int = 12
    places: ClassVar[tuple[str, ...]] = PLACES

    def __post_init__(self):
        if self.things not in ("seen", "unseen", "all"):
            raise SettingError(f"things={self.things!r}; expected 'seen', 'unseen' or 'all'.")

    @property
    def observation_names(self) -> tuple[str, ...]:
        return (*THINGS, *MATTERS[1:], *(_ALL_KINDS if self.told else ()))

    @property
    def spec(self) -> Spec:
        return Spec(Box((len(self.observation_names),), 0.0, 1.0), Discrete(len(PLACES)))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Timed, Float[Array, " words"]]:
        del task
        state = Timed.at(jnp.append(self._drawn(key), 0))
        return state, self._words(state.body)

    def step(self, state: Timed, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[Timed, Outcome]:
        thing, matter, done = state.body.astype(jnp.int32)
        right = jnp.asarray(_PLACE)[thing, matter] == action
        done = done + right
        hand = jnp.where(right, self._drawn(key), state.body[:2])
        body, time = jnp.append(hand, done).astype(jnp.float32), state.time + 1
        return Timed(body, time, {}), outcome(self._words(body), right, False, time, self.horizon)

    def say(self, state: Timed) -> str:
        """`You hold a dirty sock.`"""
        thing, matter, _ = np.asarray(state.body).astype(int)
        words = f"{MATTERS[matter]} {THINGS[thing]}".strip()
        return f"You hold {'an' if words[0] in 'aeiou' else 'a'} {words}."

    def render(self, state: Timed) -> drawing.Image:
        """A column for each kind and a disc for each thing of it, the one in hand lit (dark where something is the matter),
        and a mark for each thing tidied up: `(192, 288, 3)`."""
        image = drawing.blank(192, 288)
        hand, matter, done = np.asarray(state.body).astype(int)
        each = len(next(iter(KINDS.values())))
        for thing in range(len(THINGS)):
            where = np.array([16 + 32 * (thing // each), 16 + 26 * (thing % each)])
            colour = (drawing.RUST if matter else drawing.BRASS) if thing == hand else drawing.MIST
            drawing.disc(image, where, 9, colour)
        for mark in range(done):
            drawing.box(image, 8 + 24 * mark, 172, 24 + 24 * mark, 184, drawing.SEA)
        return image

    def _drawn(self, key: PRNGKeyArray) -> Float[Array, "2"]:
        """A thing and what is the matter with it."""
        each = len(next(iter(KINDS.values())))
        low, high = {"seen": (0, each // 2), "unseen": (each // 2, each), "all": (0, each)}[self.things]
        kind = jax.random.randint(named(key, "kind"), (), 0, len(KINDS))
        thing = kind * each + jax.random.randint(named(key, "thing"), (), low, high)
        matter = jnp.asarray(_MATTERS)[thing, jax.random.randint(named(key, "which"), (), 0, 2)]
        matter = jnp.where(jax.random.bernoulli(named(key, "matter")), matter, 0)
        return jnp.stack([thing, matter]).astype(jnp.float32)

    def _words(self, body: Float[Array, " body"]) -> Float[Array, " words"]:
        thing, matter = body[0].astype(jnp.int32), body[1].astype(jnp.int32)
        said = [jax.nn.one_hot(thing, len(THINGS)), jax.nn.one_hot(matter - 1, len(MATTERS) - 1)]
        return jnp.concatenate([*said, *([jnp.asarray(_OF_KIND)[thing]] if self.told else [])])
