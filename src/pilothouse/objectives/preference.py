"""Losses from preference pairs: how much more the policy prefers what was chosen than the reference does.

The *margin* of a pair is `log [policy(chosen) reference(rejected) / (policy(rejected) reference(chosen))]`, in nats.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical
from pilothouse.networks.transformer import Transformer
from pilothouse.objectives.tokens import PAD, token_logits

Margin = Callable[[Parts, Batch], Array]
"""`margin(parts, batch) -> (pairs,)`."""


def identity_preference_loss(margin: Float[Array, "*pairs"], *, tau: float | Array) -> Float[Array, "*pairs"]:
    r"""$(margin - \frac{1}{2\tau})^2$: the margin is drawn to a finite height, however sure the preference.

    **Source:** Azar et al. (IPO), arXiv:2310.12036, equation 17.
    """
    return jnp.square(margin - 1.0 / (2.0 * tau))


def logistic_preference_loss(margin: Float[Array, "*pairs"], *, beta: float | Array) -> Float[Array, "*pairs"]:
    r"""$-\log \sigma(\beta\, margin)$: falls for ever as the margin grows.

    **Source:** Rafailov et al. (DPO), arXiv:2305.18290, equation 7.
    """
    return jax.nn.softplus(-beta * margin)


def prefer(margin: Margin, loss: Callable[[Array], Array], *, name: str) -> Loss:
    """The mean of a pairwise loss over a batch of pairs. Draws nothing."""

    def objective(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        margins = margin(parts, batch)
        aux = {"preference/margin": margins.mean(), "preference/accuracy": (margins > 0).astype(jnp.float32).mean()}
        return loss(margins).mean(), aux

    objective.__name__ = name
    return objective


def text_margin(policy: str = "policy", reference: str = "ref") -> Margin:
    """The margin of pairs of texts, `chosen` and `rejected` after `prompt`, each with its length."""

    def margin(parts: Parts, batch: Batch) -> Array:
        prompt = left_padded(batch.prompt, batch.prompt_length)

        def gap(model: Transformer) -> Array:
            chosen = text_log_prob(model, prompt, batch.chosen, batch.chosen_length)
            return chosen - text_log_prob(model, prompt, batch.rejected, batch.rejected_length)

        return gap(parts[policy]) - jax.lax.stop_gradient(gap(parts[reference]))

    return margin


def clone_chosen(parts: Parts, batch: Batch, key: PRNGKeyArray, *, policy: str = "policy") -> tuple[Scalar, Aux]:
    """Mean negative log-likelihood of the chosen texts' tokens. Trains `policy`; draws nothing."""
    del key
    prompt = left_padded(batch.prompt, batch.prompt_length)
    total = text_log_prob(parts[policy], prompt, batch.chosen, batch.chosen_length)
    return -total.sum() / batch.chosen_length.sum(), {}


def text_log_prob(
    model: Transformer,
    prompt: Int[Array, "pair prompt"],
    completion: Int[Array, "pair time"],
    length: Int[Array, " pair"],
) -> Float[Array, " pair"]:
    """Log-probability of the first `length` tokens of each completion, given its prompt (padded on the left)."""
    log_prob = Categorical(token_logits(model, prompt, completion)).log_prob(completion)
    inside = jnp.arange(completion.shape[1]) < length[:, None]
    return jnp.where(inside, log_prob, 0.0).sum(axis=1)


def left_padded(tokens: Int[Array, "pair width"], length: Int[Array, " pair"]) -> Int[Array, "pair width"]:
    """Texts padded on the right, moved to the right: PAD comes first, the last token stands last."""
    width = tokens.shape[1]
    source = jnp.arange(width) - (width - length[:, None])
    return jnp.where(source >= 0, jnp.take_along_axis(tokens, jnp.maximum(source, 0), axis=1), PAD)
