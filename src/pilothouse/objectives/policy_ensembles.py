"""Several policies learned side by side from the same rows: cloned apart from each other, then improved by PPO's surrogate.

The policies are one part, an actor whose leaves have a leading axis of members. Losses are summed over members, so that each
learns as it would alone.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import Distribution, kl
from pilothouse.objectives.member_choice import lowest
from pilothouse.objectives.policy_gradient import clipped_surrogate_loss, normalised
from pilothouse.objectives.sampled_actions import within_bounds
from pilothouse.objectives.weighting import average

MemberLosses = Float[Array, "members batch"]


def said_by_all(policies: PyTree, obs: PyTree) -> Distribution:
    """What each of a stack of policies would do at each observation; its log-probabilities are `(members, batch)`."""
    return jax.vmap(lambda member: jax.vmap(member)(obs))(policies)


def likeliest_other(log_prob: MemberLosses) -> Int[Array, "members batch"]:
    """For each member and row, which of the others thinks the row's action likeliest; itself where it is the only one."""
    alone = jnp.eye(len(log_prob), dtype=bool)[:, :, None]
    return jnp.argmax(jnp.where(alone, -jnp.inf, log_prob[None]), axis=1)


def clone_apart(weight: float | Array = 0.1, *, policies: str = "policies") -> Loss:
    """Clone the data's actions with each of several policies, less `weight` times its divergence from another.

    The other is the one that thinks the row's action likeliest, and carries no gradient. Trains `policies`; draws nothing.

    **Source:** Lei et al. (Uni-O4), arXiv:2311.03351, in the closed form that the authors' code has as an option.
    """

    def cloned_apart(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        said = said_by_all(parts[policies], batch.obs)
        log_prob = said.log_prob(batch.action)
        which, row = likeliest_other(log_prob), jnp.arange(log_prob.shape[1])
        other = jax.lax.stop_gradient(jax.tree.map(lambda x: x[which, row], said))
        apart = kl(said, other)
        loss = _of_members(batch, -log_prob - weight * apart)
        return loss, {f"{policies}/log_prob": log_prob.mean(), f"{policies}/apart": apart.mean()}

    return cloned_apart


def improve_on_data(
    clip: Callable[[Parts], Scalar],
    *,
    policies: str = "policies",
    behaviour: str = "behaviour",
    critic: str = "critic",
    value: str = "value",
) -> Loss:
    """PPO's surrogate at the data's observations, for each of several policies against its own behaviour policy.

    Actions are drawn from the behaviour policies (draw `action`); their advantage is the lower of the critic's values, of
    the nearest action within bounds, less the state's value, normalised over the batch. Trains `policies` alone.

    **Source:** Lei et al. (Uni-O4), arXiv:2311.03351, and the authors' code.
    """

    def improved(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        action, old = said_by_all(parts[behaviour], batch.obs).sample_and_log_prob(named(key, "action"))
        q = jax.vmap(lambda action: jax.vmap(parts[critic])(batch.obs, within_bounds(action)))(action)
        advantage = jax.vmap(normalised)(lowest(q) - jax.vmap(parts[value])(batch.obs))
        action, old, advantage = jax.lax.stop_gradient((action, old, advantage))
        log_prob = said_by_all(parts[policies], batch.obs).log_prob(action)
        loss = clipped_surrogate_loss(log_prob, old, advantage, clip=clip(parts))
        return _of_members(batch, loss), {f"{policies}/ratio_off": jnp.abs(jnp.expm1(log_prob - old)).mean()}

    return improved


def _of_members(batch: Batch, losses: MemberLosses) -> Scalar:
    """Averaged over rows, summed over members."""
    return jax.vmap(lambda loss: average(batch, loss))(losses).sum()
