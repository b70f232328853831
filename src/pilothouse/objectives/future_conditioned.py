"""Cloning given a latent choice that stands for the future, and keeping luck out of that choice.

Choices are finitely many, so every mean over them is exact: nothing is drawn. Batches are those of `Futures`: the first
row of a stretch is the present, and the whole stretch what came of it.

Source: Yang, Schuurmans, Abbeel and Nachum, "Dichotomy of Control", arXiv:2210.13435.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.objectives.cloning import cloning_loss
from pilothouse.objectives.contrastive import log_density_ratio
from pilothouse.objectives.weighting import average


def told(rows: Batch, choices: int) -> dict[str, Any]:
    """The observations of rows, each with every choice: leading axes `[batch, choices]`."""
    count = rows.reward.shape[0]
    obs = jax.tree.map(lambda x: jnp.broadcast_to(x[:, None], (count, choices, *x.shape[1:])), rows.obs)
    return {"obs": obs, "choice": jnp.broadcast_to(jnp.arange(choices), (count, choices))}


def luck_of_choices(energy: Any, rows: Batch) -> Float[Array, "batch choices"]:
    r"""$f_z(o) - \log E_{\tilde o} e^{f_z(\tilde o)}$ of each row and choice z, where o is what the row's step brought.

    Outcomes of other rows of the batch stand for any outcome. At the best energies its mean over rows and their choices is, but
    for what does not depend on the choice, the mutual information of choice and outcome given observation and action.

    **Source:** arXiv:2210.13435, section 3.2.
    """
    causes = jax.vmap(energy.cause)(rows.obs, rows.action)
    outcomes = jax.vmap(energy.outcome)(rows.reward, rows.next_obs)
    scores = jnp.einsum("izd,jd->zij", causes, outcomes)
    return jax.vmap(log_density_ratio)(scores).T


def clone_what_can_be_controlled(constraint: float | Array = 1.0) -> Loss:
    """Dichotomy of Control. Trains `actor`, `future`, `energy`, `prior` and `value`, by one pass over the batch:

    - `actor` and `future` clone what was done given the choice, and keep luck out of it with the weight `constraint`;
    - `energy` tells as much luck from the choice as it can;
    - `prior` says which choices are likely where one stands, and `value` what return to go (as `returns` tells it) each brings
      there. Neither these nor the energy moves the choice.

    Draws nothing.
    """

    def controlled(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        now = jax.tree.map(lambda x: x[:, 0], batch)
        choice = jax.vmap(parts["future"])(batch.obs, batch.action, batch.reward, batch.valid).probs
        fixed = jax.lax.stop_gradient(choice)
        seen = told(now, choice.shape[-1])
        cloning = jax.vmap(cloning_loss, in_axes=(1, None))(jax.vmap(jax.vmap(parts["actor"]))(seen), now.action).T
        likely = average(now, (choice * cloning).sum(axis=-1))
        lucky = luck_of_choices(parts["energy"], now)
        kept = average(now, (choice * jax.lax.stop_gradient(lucky)).sum(axis=-1))
        found = average(now, (fixed * lucky).sum(axis=-1))
        foreseen = average(now, -(fixed * jax.vmap(parts["prior"])(now.obs).log_probs).sum(axis=-1))
        gaps = jax.vmap(jax.vmap(parts["value"]))(seen) - parts["returns"].told(now.return_to_go)[:, None]
        error = average(now, (fixed * jnp.square(gaps)).sum(axis=-1))
        aux = {"actor/cloning_loss": likely, "future/luck": kept, "prior/cross_entropy": foreseen, "value/error": error}
        return likely + constraint * kept - found + foreseen + error, aux

    return controlled
