"""Objectives made of weighted terms that share one forward pass.

    loss = terms(evaluate("agent"), (clipped(0.2), 1.0), (squared_value_error, 0.5), (negative_entropy, 0.01))

XLA merges equal forward passes, never the backward passes: terms of one network belong in one objective.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.errors import WiringError
from pilothouse.networks.distributions import Distribution, kl
from pilothouse.objectives.policy_gradient import clipped_surrogate_loss, normalised
from pilothouse.objectives.weighting import average

Forward = Callable[[Parts, Batch, PRNGKeyArray], Any]
Term = Callable[[Any, Batch], tuple[Array, Aux]]
"""`term(output, batch) -> (per-sample loss or scalar, aux)`."""
Weight = float | Array | Callable[[Parts], Scalar]


class Evaluated(NamedTuple):
    """What a policy says now about the batch's observations and actions."""

    distribution: Distribution
    log_prob: Float[Array, "*batch"]
    value: Float[Array, "*batch"] | None = None
    beside: Distribution | None = None


def terms(forward: Forward, *weighted: tuple[Term, Weight], name: str = "terms") -> Loss:
    """The weighted sum of terms over one forward pass, each averaged over the batch.

    A weight is a number, or a function of the parts (a multiplier that adapts, a schedule on the clock).
    """

    def objective(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        output = forward(parts, batch, key)
        total, collected = jnp.zeros(()), {}
        for term, weight in weighted:
            loss, aux = term(output, batch)
            scalar = average(batch, loss) if jnp.ndim(loss) else loss
            total = total + (weight(parts) if callable(weight) else weight) * scalar
            collected |= aux
        return total, collected

    objective.__name__ = name
    return objective


def evaluate(part: str, *, beside: str | None = None) -> Forward:
    """Run an actor, or an actor with a value, on the batch; and the policy of part `beside`, without gradients.

    Gives `Evaluated`; its `value` is None where the part is an actor alone.
    """

    def forward(parts: Parts, batch: Batch, key: PRNGKeyArray) -> Evaluated:
        del key
        distribution, value = _run(parts[part], batch)
        other = None if beside is None else jax.lax.stop_gradient(_run(parts[beside], batch)[0])
        return Evaluated(distribution, distribution.log_prob(batch.action), value, other)

    return forward


def evaluate_segments(part: str) -> Forward:
    """Run a recurrent agent over segments: batch leaves are `(batch, time, …)`.

    The memory begins at `batch.memory[:, 0]`, which the policy remembered, and anew after each end of an episode.
    """

    def forward(parts: Parts, batch: Batch, key: PRNGKeyArray) -> Evaluated:
        del key
        ended = batch.terminated | batch.truncated
        starts = jnp.concatenate([jnp.zeros_like(ended[:, :1]), ended[:, :-1]], axis=1)
        first = jax.tree.map(lambda x: x[:, 0], batch.memory)
        distribution, value = jax.vmap(parts[part].unroll)(batch.obs, starts, first)
        return Evaluated(distribution, distribution.log_prob(batch.action), value)

    return forward


def clipped(clip: float | Array, *, normalise: bool = True) -> Term:
    """PPO's surrogate from `batch.log_prob` and `batch.advantage`, normalised over the minibatch unless told not to.

    **Source:** Schulman et al., arXiv:1707.06347, equation 7.
    """

    def surrogate(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
        advantage = normalised(batch.advantage, batch.get("valid")) if normalise else batch.advantage
        loss = clipped_surrogate_loss(output.log_prob, batch.log_prob, advantage, clip=clip)
        log_ratio = output.log_prob - batch.log_prob
        aux = {
            "policy/approximate_kl": average(batch, jnp.expm1(log_ratio) - log_ratio),
            "policy/clip_fraction": average(batch, (jnp.abs(jnp.expm1(log_ratio)) > clip).astype(jnp.float32)),
        }
        return loss, aux

    return surrogate


def likelihood_weighted(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """The plain policy gradient: minus log-probability times `batch.advantage`."""
    return -output.log_prob * batch.advantage, {}


def importance_weighted(*, normalise: bool = False) -> Term:
    """Minus the ratio to `batch.log_prob` times `batch.advantage`, without any clipping."""

    def surrogate(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
        advantage = normalised(batch.advantage, batch.get("valid")) if normalise else batch.advantage
        log_ratio = output.log_prob - batch.log_prob
        aux = {"policy/approximate_kl": average(batch, jnp.expm1(log_ratio) - log_ratio)}
        return -jnp.exp(log_ratio) * advantage, aux

    return surrogate


def squared_value_error(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """Squared error of the value to `batch.return_`."""
    error = _value_of(output) - batch.return_
    return error**2, {"value/mean": _value_of(output).mean()}


def clipped_value_error(clip: float | Array) -> Term:
    """The larger of the squared errors of the value and of the value held within `clip` of `batch.value`."""

    def error(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
        value = _value_of(output)
        held = batch.value + jnp.clip(value - batch.value, -clip, clip)
        return jnp.maximum((value - batch.return_) ** 2, (held - batch.return_) ** 2), {"value/mean": value.mean()}

    return error


def negative_entropy(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """Minus the entropy in nats: with a positive weight, a bonus for spread."""
    entropy = output.distribution.entropy()
    return -entropy, {"policy/entropy": average(batch, entropy)}


def kl_to_beside(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """Divergence of the policy `beside` from the live one: KL(live, beside)."""
    divergence = kl(output.distribution, _beside(output))
    return divergence, {"policy/kl": average(batch, divergence)}


def kl_from_beside(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """Divergence of the live policy from the one `beside`: KL(beside, live)."""
    divergence = kl(_beside(output), output.distribution)
    return divergence, {"policy/kl": average(batch, divergence)}


def mirror_descent(step: float | Array, *, normalise: bool = True) -> Term:
    """On-policy mirror descent: importance-weighted advantages, and KL(live, beside) over the step size.

    Needs `evaluate(…, beside=<the policy that collected>)`; several gradient steps are taken on it. As `step` grows
    the tie loosens.

    **Source:** Tomar et al. (MDPO), arXiv:2005.09814, section 4.1.
    """
    gain = importance_weighted(normalise=normalise)

    def descent(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
        loss, aux = gain(output, batch)
        divergence, more = kl_to_beside(output, batch)
        return loss + divergence / step, aux | more

    return descent


def _run(network: Any, batch: Batch) -> tuple[Distribution, Array | None]:
    output = jax.vmap(network)(batch.obs)
    return output if isinstance(output, tuple) else (output, None)


def _value_of(output: Evaluated) -> Array:
    if output.value is None:
        raise WiringError("This term needs a value, and the part evaluated is an actor alone. Use `actor_and_value`.")
    return output.value


def _beside(output: Evaluated) -> Distribution:
    if output.beside is None:
        raise WiringError('This term compares two policies; name the other one: `evaluate("agent", beside="…")`.')
    return output.beside
