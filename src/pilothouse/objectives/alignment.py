"""Aligning a generative policy with values: how much likelier it makes an action than its reference, as a choice."""

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.energy import log_density
from pilothouse.objectives.weighting import average


def alignment_loss(
    log_ratio: Float[Array, "batch samples"], value: Float[Array, "batch samples"], *, sharpness: float | Array
) -> Float[Array, " batch"]:
    """Cross-entropy, in nats, between softmax(`sharpness` x `value`) and softmax(`log_ratio`) over the samples.

    With two samples and a sharpness without bound it is the loss of direct preference optimisation. `value` carries no
    gradient.

    **Source:** Chen, Zheng, Su and Zhu (EDA), arXiv:2407.09024, section 3.2.
    """
    wanted = jax.nn.softmax(sharpness * jax.lax.stop_gradient(value), axis=-1)
    return -(wanted * jax.nn.log_softmax(log_ratio, axis=-1)).sum(axis=-1)


def align_density(
    sharpness: float | Array = 3.0,
    trust: float | Array = 1.0,
    *,
    actor: str = "actor",
    reference: str = "behaviour",
    critic: str = "critic/slow",
) -> Loss:
    """Align an energy actor with values, by several actions a state drawn from its reference.

    A batch holds `obs` and `action` `(batch, samples, *action)`. All samples of a state are made noisy to the same step,
    each by noise of its own; `trust` times the actor's log-density less the reference's is what is compared with the
    lowest of the critic's values of the clean actions. Trains `actor`; reads `reference` and `critic`; draws `step` and
    `noise`.

    **Source:** Chen, Zheng, Su and Zhu (EDA), arXiv:2407.09024, section 3.2, and the authors' code.
    """

    def alignment(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        network = parts[actor]
        step = jax.random.randint(named(key, "step"), batch.action.shape[:1], 0, network.steps)
        noise = jax.random.normal(named(key, "noise"), batch.action.shape)

        def of_state(obs: Array, actions: Array, noise: Array, step: Array) -> tuple[Array, Array]:
            noisy = jax.vmap(network.corrupt, (0, 0, None))(actions, noise, step)
            gap = jax.vmap(lambda a: log_density(network, obs, a, step) - log_density(parts[reference], obs, a, step))(
                noisy
            )
            return gap, jax.vmap(lambda a: parts[critic](obs, a).min())(actions)

        gap, value = jax.vmap(of_state)(batch.obs, batch.action, noise, step)
        loss = average(batch, alignment_loss(trust * gap, value, sharpness=sharpness))
        return loss, {f"{actor}/alignment": loss, f"{actor}/value_spread": value.std(axis=1).mean()}

    return alignment
