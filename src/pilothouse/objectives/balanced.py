"""Losses of a family of policies that clone by advantage, each with a sharpness of its own, and of who chooses among them."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.balanced import member, placed
from pilothouse.objectives.cloning import advantage_weight, cloning_loss
from pilothouse.objectives.policy_gradient import soft_policy_loss
from pilothouse.objectives.weighting import average


def clone_as_family(
    low: float | Array,
    high: float | Array,
    *,
    chosen: bool,
    family: str = "family",
    chooser: str = "chooser",
    slow: str = "critic/slow",
    value: str = "value",
) -> Loss:
    r"""Cloning weighed by $\exp(\beta A)$, at most 100, by the member of balance $\beta$: drawn evenly between `low` and `high`
    for every row, or, once `chosen`, from who chooses. Trains `family`; draws `balance`.

    **Source:** Wang et al. (FamO2O), arXiv:2310.17966, by the authors' code on IQL.
    """

    def family_cloning(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        key = named(key, "balance")
        if chosen:
            choice = jax.vmap(parts[chooser])(batch.obs).sample_and_log_prob(key)[0]
        else:
            choice = jax.random.uniform(key, (*batch.reward.shape, 1), minval=-1.0)
        balance = jax.lax.stop_gradient(placed(choice, low, high))
        q = jax.vmap(parts[slow])(batch.obs, batch.action).min(axis=-1)
        advantage = q - jax.vmap(parts[value])(batch.obs)
        weight = advantage_weight(advantage, sharpness=balance)
        does = jax.vmap(partial(member, parts[family]))(batch.obs, balance)
        loss = average(batch, weight * cloning_loss(does, batch.action))
        return loss, {f"{family}/weight_mean": weight.mean(), f"{family}/balance_mean": balance.mean()}

    return family_cloning


def choose_balance(
    low: float | Array,
    high: float | Array,
    *,
    family: str = "family",
    chooser: str = "chooser",
    slow: str = "critic/slow",
    log_alpha: str = "log_alpha",
) -> Loss:
    """Minus the lowest slow value of what the chosen member does, and the chooser's log-probability times its temperature.

    Trains `chooser`: the gradient runs from the value through the member's action to its balance. Draws `action` (the
    choice, as `entropy_towards` does) and `member_action`.

    **Source:** Wang et al. (FamO2O), arXiv:2310.17966, by the authors' code, its entropy included.
    """

    def balance_choice(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        choice, log_prob = jax.vmap(parts[chooser])(batch.obs).sample_and_log_prob(named(key, "action"))
        balance = placed(choice, low, high)
        does = jax.vmap(partial(member, parts[family]))(batch.obs, balance)
        q = jax.vmap(parts[slow])(batch.obs, does.sample(named(key, "member_action")))
        loss = average(batch, soft_policy_loss(log_prob, q, jnp.exp(parts[log_alpha])))
        return loss, {f"{chooser}/balance_mean": balance.mean(), f"{chooser}/balance_std": balance.std()}

    return balance_choice
