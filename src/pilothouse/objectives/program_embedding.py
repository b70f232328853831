"""Learning a space of programs, in which near ones read and act alike."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import Gaussian, kl


def mean_surprise(log_prob: Float[Array, "*shape"], counts: Bool[Array, "*shape"]) -> Scalar:
    """Minus the mean log-probability over the entries that count, in nats; 0 if none does."""
    return -jnp.where(counts, log_prob, 0.0).sum() / jnp.maximum(counts.sum(), 1)


def embed_programs(beta: float | Array, behaviour: float | Array, *, autoencoder: str = "embedding") -> Loss:
    r"""Surprise at a program's words, and `behaviour` times that at what it did, given its latent; and $\beta$ times the
    latent's divergence from a standard normal. Each a mean: over words, over actions, over programs.

    A batch of `program`, `perceived`, `acted` and `valid`, as traces of programs give them. Trains `autoencoder`; draws
    `latent`.

    **Source:** Liu et al. (HPRL), arXiv:2301.12950, section 4.1, by the authors' code.
    """

    def loss(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network = parts[autoencoder]
        posterior = jax.vmap(network.posterior)(batch.program)
        latent = posterior.sample(named(key, "latent"))
        words = mean_surprise(*jax.vmap(network.word_log_probs)(latent, batch.program))
        acts = jax.vmap(network.action_log_probs)(latent, batch.perceived, batch.acted)
        actions = mean_surprise(acts, batch.valid)
        divergence = kl(posterior, Gaussian(jnp.zeros_like(latent), jnp.zeros_like(latent))).mean()
        said = {f"{autoencoder}/words": words, f"{autoencoder}/actions": actions}
        return words + behaviour * actions + beta * divergence, {**said, f"{autoencoder}/divergence": divergence}

    return loss
