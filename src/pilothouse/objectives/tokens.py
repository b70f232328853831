"""Losses of language models: one forward pass over prompt and completion, then the same terms as for any policy.

A batch holds `(episodes, steps)`: `action` (tokens), `log_prob` (of the policy that drew them), `advantage`, `weight`
(sums to one over the batch of an optimiser step, 0 where nothing was drawn), and `task` with each episode's prompt.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pilothouse.core.aliases import Aux, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical
from pilothouse.networks.transformer import Transformer
from pilothouse.objectives.divergence import k3
from pilothouse.objectives.terms import Evaluated, Forward

PAD, END = 0, 2
"""The tokens that fill and that end a text, in every token world of ours."""


def token_logits(
    model: Transformer, prompt: Int[Array, "episode prompt"], completion: Int[Array, "episode time"]
) -> Float[Array, "episode time vocabulary"]:
    """Logits of every token of the completions, given prompts (padded on the left) and what was written before."""
    tokens = jnp.concatenate([prompt, completion[:, :-1]], axis=1)
    inside = jnp.concatenate([prompt != PAD, jnp.ones(completion[:, :-1].shape, bool)], axis=1)
    return jax.vmap(model)(tokens, inside)[:, prompt.shape[1] - 1 :]


def evaluate_tokens(part: str, *, beside: str | None = None) -> Forward:
    """Run the model of this part over the batch's episodes, and that of `beside` without gradients: `Evaluated`."""

    def forward(parts: Parts, batch: Batch, key: PRNGKeyArray) -> Evaluated:
        del key
        prompt = batch.task["prompt"]
        distribution = Categorical(token_logits(parts[part], prompt, batch.action))
        other = None
        if beside is not None:
            other = Categorical(jax.lax.stop_gradient(token_logits(parts[beside], prompt, batch.action)))
        return Evaluated(distribution, distribution.log_prob(batch.action), None, other)

    return forward


def k3_to_beside(output: Evaluated, batch: Batch) -> tuple[Array, Aux]:
    """Schulman's low-variance estimate of the divergence from the model beside, for each token; at least 0.

    **Source:** Shao et al. (GRPO), arXiv:2402.03300, equation 4.
    """
    assert output.beside is not None
    estimate = k3(output.log_prob, output.beside.log_prob(batch.action))
    return estimate, {"kl": jnp.sum(jnp.where(batch.valid, estimate, 0.0)) / jnp.maximum(batch.valid.sum(), 1)}


def clone_answers(parts: Parts, batch: Batch, key: PRNGKeyArray, *, policy: str = "policy") -> tuple[Scalar, Aux]:
    """Likelihood of the answers of tasks, up to and including the end token. Trains `policy`; draws nothing.

    The batch is of tasks: `prompt`, and `answer` padded on the right, with room for one token more.
    """
    del key
    size = jnp.sum(batch.answer != PAD, axis=-1, keepdims=True)
    place = jnp.arange(batch.answer.shape[1])
    wanted = jnp.where(place == size, END, batch.answer)
    log_prob = Categorical(token_logits(parts[policy], batch.prompt, wanted)).log_prob(wanted)
    loss = -jnp.sum(jnp.where(place <= size, log_prob, 0.0)) / jnp.sum(size + 1)
    return loss, {f"{policy}/cloning_loss": loss}
