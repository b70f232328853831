"""Evolution strategies: a part moved towards what scored better around it, without a gradient of the score."""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core.aliases import Aux, Initialise, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named

Live = Callable[[Parts, PyTree, PRNGKeyArray], tuple[Float[Array, ""], Mapping[str, PyTree]]]
"""`live(parts, candidate, key) -> (score, kept)`: every candidate of a generation gets the same key."""


def slope_of_scores(
    noise: Float[Array, "pairs entries"], above: Float[Array, " pairs"], below: Float[Array, " pairs"], sigma: float
) -> Float[Array, " entries"]:
    r"""The slope of the score averaged over normal noise, from mirrored pairs: mean of $(F(+) - F(-)) \epsilon / 2\sigma$.

    **Source:** Salimans et al., arXiv:1703.03864, section 2, with mirrored sampling.
    """
    return (above - below) @ noise / (2 * sigma * len(noise))


def evolution_state(make: Initialise, lr: float) -> Initialise:
    """Adam's state for the part that `make` makes; what `evolve` keeps under `<part>/moments`."""
    return lambda key: optax.adam(lr).init(ravel_pytree(eqx.filter(make(key), eqx.is_inexact_array))[0])


def evolve(part: str, live: Live, *, keeps: tuple[str, ...] = (), pairs: int, sigma: float, lr: float) -> Rule:
    """One generation: `pairs` mirrored candidates around the part, scores standardised over them, one step of Adam.

    The part as it was lives beside them; what `live` gives for it under the names in `keeps` is written too. Writes the part
    and its `<part>/moments`; draws nothing but the candidates itself.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux
        learn, rest = eqx.partition(parts[part], eqx.is_inexact_array)
        centre, shaped = ravel_pytree(learn)
        draw, life = jax.random.split(key)
        noise = jax.random.normal(draw, (pairs, len(centre)))
        candidates = jnp.concatenate([centre + sigma * noise, centre - sigma * noise, centre[None]])
        scores, kept = jax.vmap(lambda one: live(parts, eqx.combine(shaped(one), rest), life))(candidates)
        scores = (scores[:-1] - scores[:-1].mean()) / (scores[:-1].std() + 1e-8)
        uphill = slope_of_scores(noise, scores[:pairs], scores[pairs:], sigma)
        step, moments = optax.adam(lr).update(-uphill, parts[f"{part}/moments"])
        return {
            part: eqx.combine(shaped(jax.tree.map(jnp.add, centre, step)), rest),
            f"{part}/moments": moments,
            **{name: jax.tree.map(lambda x: x[-1], kept[name]) for name in keeps},
        }

    return Rule(change, (part, f"{part}/moments", *keeps), name=f"evolve {part}")


def cross_entropy(
    part: str, scores: Callable[[Parts], Float[Array, " population"]], *, elite: int, sigma: float
) -> Rule:
    """One generation of a cross-entropy search: the centre moves to the mean of the `elite` best, and candidates are drawn
    anew around it, `sigma` apart.

    The part is a `Search`; `scores` tells how well its candidates did. Writes the part; draws `candidates`.

    **Source:** Rubinstein, "The Cross-Entropy Method for Combinatorial and Continuous Optimization", 1999, with a spread
    that stays, as Trivedi et al. (LEAPS), arXiv:2108.13643, search with it.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux
        search: Search = parts[part]
        found = scores(parts)
        best = jnp.argsort(-found)[:elite]
        centre = search.candidates[best].mean(axis=0)
        better = found[best[0]] > search.score
        return {
            part: Search(
                centre + sigma * jax.random.normal(named(key, "candidates"), search.candidates.shape),
                jnp.where(better, search.candidates[best[0]], search.best),
                jnp.where(better, found[best[0]], search.score),
            )
        }

    return Rule(change, (part,), name=f"cross-entropy {part}")


class Search(eqx.Module):
    """Where a cross-entropy search stands: this generation's candidates, and the best of all generations with its score."""

    candidates: Float[Array, "population entries"]
    best: Float[Array, " entries"]
    score: Float[Array, ""]


def search_from(entries: int, population: int) -> Initialise:
    """A search whose first candidates are standard normal."""

    def make(key: PRNGKeyArray) -> Search:
        candidates = jax.random.normal(key, (population, entries))
        return Search(candidates, candidates[0], jnp.full((), -jnp.inf))

    return make
