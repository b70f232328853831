r"""Policies and values kept alike between an observation and those near it, and values lowered where members disagree.

Near is the box of half-width `reach` around the observation, in its own units: those of the data's deviation where a
source standardises. Of several draws the one that a loss suffers most from stands for the worst there is.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import Distribution, kl
from pilothouse.objectives.weighting import average

Caution = float | Array | Callable[[Parts], Scalar]
"""How many deviations of the members a value is lowered by: a number, or a function of the parts (`fading`)."""


def nearby(
    obs: Float[Array, "batch *obs"], reach: float | Array, samples: int, key: PRNGKeyArray
) -> Float[Array, "samples batch *obs"]:
    """`samples` observations around each, every entry drawn evenly within `reach` of its own."""
    return obs + reach * jax.random.uniform(key, (samples, *obs.shape), obs.dtype, -1.0, 1.0)


def furthest(
    moved: Float[Array, "samples batch *obs"], apart: Float[Array, "samples batch"]
) -> Float[Array, "batch *obs"]:
    """For each row, the one of its moved observations for which `apart` is largest."""
    worst = jnp.argmax(apart, axis=0)
    return jax.vmap(lambda candidates, chosen: candidates[chosen], in_axes=(1, 0))(moved, worst)


def jeffreys(a: Distribution, b: Distribution) -> Float[Array, "*batch"]:
    """KL(a, b) + KL(b, a), in nats: the same either way round."""
    return kl(a, b) + kl(b, a)


def leaning_gap(moved: Float[Array, "*shape"], here: Float[Array, "*shape"], lean: float | Array) -> Array:
    """The squared difference, weighed 1 - `lean` where the moved value is the higher, and `lean` where it is the lower.

    Below one half: a value that rises away from the data is held down harder than one that falls. Gradients reach both.

    **Source:** Yang et al. (RORL), arXiv:2206.02829, section 4.1.
    """
    gap = moved - here
    return jnp.where(gap > 0, 1.0 - lean, lean) * gap**2


def policy_smoothness(reach: float | Array, samples: int, *, actor: str = "actor") -> Loss:
    """Jeffreys' divergence between the policy at an observation and at the worst of `samples` near it. Trains `actor`.

    Draws `near_policy`.

    **Source:** Yang et al. (RORL), arXiv:2206.02829, section 4.1, and the authors' code.
    """

    def smooth(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        here = jax.vmap(parts[actor])(batch.obs)

        def apart(obs: Array) -> Array:
            return jeffreys(here, jax.vmap(parts[actor])(obs))

        moved = nearby(batch.obs, reach, samples, named(key, "near_policy"))
        worst = apart(furthest(moved, jax.vmap(apart)(moved)))
        return average(batch, worst), {f"{actor}/unevenness": worst.mean()}

    return smooth


def value_smoothness(reach: float | Array, samples: int, *, lean: float | Array = 0.2, critic: str = "critic") -> Loss:
    """`leaning_gap` between values of the data's action here and at the worst of `samples` near. Trains `critic`.

    Averaged over members. Draws `near_value`.

    **Source:** Yang et al. (RORL), arXiv:2206.02829, section 4.1, and the authors' code.
    """

    def smooth(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        here = jax.vmap(parts[critic])(batch.obs, batch.action)

        def gap(obs: Array) -> Array:
            return leaning_gap(jax.vmap(parts[critic])(obs, batch.action), here, lean).mean(axis=-1)

        moved = nearby(batch.obs, reach, samples, named(key, "near_value"))
        worst = gap(furthest(moved, jax.vmap(gap)(moved)))
        return average(batch, worst), {f"{critic}/unevenness": worst.mean()}

    return smooth


def lowered_by_doubt(values: Float[Array, "*batch members"], caution: float | Array) -> Float[Array, "*batch members"]:
    """Each member's value less `caution` times the members' sample deviation (divisor n - 1), as a constant."""
    return jax.lax.stop_gradient(values - caution * values.std(axis=-1, ddof=1, keepdims=True))


def doubt_nearby(
    reach: float | Array, samples: int, caution: Caution, *, actor: str = "actor", critic: str = "critic"
) -> Loss:
    """Squared error of values near the data, of actions the policy draws there, to themselves `lowered_by_doubt`.

    So each member falls in proportion to how much they disagree. Mean over members and `samples`. Trains `critic`; draws
    `near_doubt` and `near_action`. One member cannot disagree: there must be two at least.

    **Source:** Yang et al. (RORL), arXiv:2206.02829, section 4.2, and the authors' code; after Bai et al. (PBRL),
    arXiv:2202.11566.
    """

    def doubt(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        moved = nearby(batch.obs, reach, samples, named(key, "near_doubt"))
        action = jax.vmap(jax.vmap(parts[actor]))(moved).sample(named(key, "near_action"))
        values = jax.vmap(jax.vmap(parts[critic]))(moved, jax.lax.stop_gradient(action))
        much = caution(parts) if callable(caution) else caution
        error = jnp.square(values - lowered_by_doubt(values, much)).mean(axis=(0, -1))
        return average(batch, error), {f"{critic}/doubt": values.std(axis=-1, ddof=1).mean()}

    return doubt


def fading(first: float | Array, last: float | Array, each: float | Array) -> Callable[[Parts], Scalar]:
    """From `first` down by `each` at every update, and no lower than `last`."""
    return lambda parts: jnp.maximum(first - each * parts["clock"]["updates"], last)
