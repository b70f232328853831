"""Policies of readable rules with exceptions: the first rule that fires decides, and another policy where none does.

A fact is that a feature of the observation is above one half, or that some feature of a kind is: kinds stand above
features, and above other kinds (an apple is a fruit, a fruit is food).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.errors import DataError
from pilothouse.policies.policy import Carry, Extra

Taxonomy = Mapping[str, str]
"""What stands right above a feature or kind: `{"apple": "fruit", "fruit": "food"}`."""


@dataclass(frozen=True)
class Rule:
    """Choose `action` where all of `body` holds, unless one of `unless` does. `right` and `wrong`: examples it rests on."""

    action: int
    body: tuple[str, ...]
    unless: tuple[str, ...] = ()
    right: int = 0
    wrong: int = 0

    @property
    def trust(self) -> float:
        """The share of right examples, as if one of each had been seen before."""
        return (self.right + 1) / (self.right + self.wrong + 2)

    def in_words(self, actions: Sequence[str] | None = None) -> str:
        """`fridge if food, unless rotten or tuber (31 right, 0 wrong)`."""
        choice = actions[self.action] if actions else f"choose {self.action}"
        unless = f", unless {' or '.join(self.unless)}" if self.unless else ""
        return f"{choice} if {' and '.join(self.body) or 'anything'}{unless} ({self.right} right, {self.wrong} wrong)"


@dataclass(frozen=True)
class Vocabulary:
    """Facts by name: every feature, then every kind above one. `holds[i, j]`: feature i makes fact j true."""

    names: tuple[str, ...]
    holds: Bool[np.ndarray, "features facts"]

    @classmethod
    def of(cls, features: Sequence[str], taxonomy: Taxonomy | None = None) -> "Vocabulary":
        """**Raises:** `DataError` for a kind that stands above itself."""
        above = [_above(name, taxonomy or {}) for name in features]
        kinds = dict.fromkeys(kind for own in above for kind in own if kind not in features)
        names = (*features, *kinds)
        place = {name: i for i, name in enumerate(names)}
        holds = np.eye(len(features), len(names), dtype=bool)
        for row, own in enumerate(above):
            holds[row, [place[kind] for kind in own]] = True
        return cls(names, holds)

    def facts(self, obs: Float[np.ndarray, "rows features"]) -> Bool[np.ndarray, "rows facts"]:
        """Which facts hold of each observation."""
        return (np.asarray(obs) > 0.5).astype(np.float32) @ self.holds > 0


def _above(name: str, taxonomy: Taxonomy) -> list[str]:
    """All kinds above one, the nearest first."""
    found: list[str] = []
    while name in taxonomy:
        name = taxonomy[name]
        if name in found:
            raise DataError(f"{name!r} stands above itself in the taxonomy; a kind is below others, never its own.")
        found.append(name)
    return found


class RulesFirst(eqx.Module):
    """The first of the rules whose body holds, and none of whose exceptions does, decides; else `otherwise` acts.

    `extra` says which rule it was, under `rule`: -1 where none was. The observation is one row of features.
    """

    holds: Float[Array, "features facts"]
    body: Float[Array, "rules facts"]
    unless: Float[Array, "rules facts"]
    action: Float[Array, " rules"]
    otherwise: Any

    @classmethod
    def of(cls, rules: Sequence[Rule], vocabulary: Vocabulary, otherwise: Any, room: int | None = None) -> "RulesFirst":
        """These rules, in this order; `room` keeps space for so many, so that policies of fewer rules compile alike.

        **Raises:** `DataError` for more rules than there is room, or a fact that the vocabulary lacks.
        """
        room = len(rules) if room is None else room
        if len(rules) > room:
            raise DataError(f"{len(rules)} rules, and room for {room}; give more room.")
        place = {name: i for i, name in enumerate(vocabulary.names)}
        if strange := [fact for rule in rules for fact in (*rule.body, *rule.unless) if fact not in place]:
            raise DataError(f"Rules speak of {strange[0]!r}, which is no feature and no kind above one.")
        body, unless = (np.zeros((room, len(place)), np.float32) for _ in range(2))
        action = np.full(room, -1)
        for row, rule in enumerate(rules):
            body[row, [place[fact] for fact in rule.body]] = 1
            unless[row, [place[fact] for fact in rule.unless]] = 1
            action[row] = rule.action
        holds = jnp.asarray(vocabulary.holds, jnp.float32)
        return cls(holds, jnp.asarray(body), jnp.asarray(unless), jnp.asarray(action, jnp.float32), otherwise)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        return self.otherwise.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        facts = ((obs.ravel() > 0.5) @ self.holds > 0).astype(jnp.float32)
        fires = (self.body @ facts >= self.body.sum(axis=1)) & (self.unless @ facts == 0) & (self.action >= 0)
        rule = jnp.argmax(fires)
        fallback, carry, extra = self.otherwise(obs, carry, key)
        action = jnp.where(fires.any(), self.action[rule].astype(jnp.int32), fallback)
        return action, carry, {**extra, "rule": jnp.where(fires.any(), rule, -1).astype(jnp.int32)}
