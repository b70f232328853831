"""A curriculum over how long a guide acts: shorter whenever the last few episodes went as well as any before."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core.aliases import Aux, Initialise, Parts
from pilothouse.core.batch import Batch


class GuideSteps(eqx.Module):
    """How many steps the guide acts (`steps`), and what decides it.

    `recent` holds the returns of the last rounds with this many steps, `rounds` counts them, and `best` is the highest
    mean of a full window so far, once one is `known`.
    """

    steps: Int[Array, ""]
    recent: Float[Array, " window"]
    rounds: Int[Array, ""]
    best: Float[Array, ""]
    known: Bool[Array, ""]

    def after(self, return_: Float[Array, ""], shorten: int, tolerance: float | Array) -> "GuideSteps":
        """With one more round counted in; `shorten` fewer steps if the window is full and went well enough.

        Well enough: its mean is at least `best` less the share `tolerance` of its size. The first full window always is.
        """
        window = self.recent.shape[0]
        recent = self.recent.at[self.rounds % window].set(return_)
        rounds, mean = self.rounds + 1, recent.mean()
        enough = ~self.known | (mean >= self.best - tolerance * jnp.abs(self.best))
        advance = (rounds >= window) & enough
        return GuideSteps(
            steps=jnp.where(advance, jnp.maximum(self.steps - shorten, 0), self.steps),
            recent=recent,
            rounds=jnp.where(advance, 0, rounds),
            best=jnp.where(advance, jnp.where(self.known, jnp.maximum(self.best, mean), mean), self.best),
            known=self.known | advance,
        )


def guide_steps(steps: int, window: int) -> Initialise:
    """A part that begins with so many steps of the guide's."""
    zero = jnp.zeros((), jnp.int32)
    return lambda key: GuideSteps(jnp.int32(steps), jnp.zeros(window), zero, jnp.zeros(()), jnp.zeros((), bool))


def shorten_guide(part: str, episodes: str, shorten: int, tolerance: float | Array) -> Rule:
    """Count the mean return of these fresh episodes `(steps, environments)` into the curriculum of `part`."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows: Batch = parts[episodes]
        return_ = jnp.where(rows.valid, rows.reward, 0.0).sum(axis=0).mean()
        return {part: parts[part].after(return_, shorten, tolerance)}

    return Rule(change, (part,), name=f"shorten {part}")
