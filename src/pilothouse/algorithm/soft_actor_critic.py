"""What the family of SAC shares: the algorithm around an actor and its loss; the parts and blocks of many critics."""

import optax
from jaxtyping import Array

from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.steps import Algorithm, Batches, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.aliases import Initialise, Loss
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import ensemble_critic, twin_critic
from pilothouse.objectives.ensembles import soft_policy_on_mean, soft_td_of_some
from pilothouse.objectives.policy_gradient import entropy_towards
from pilothouse.objectives.temporal_difference import soft_td
from pilothouse.policies.policy import mode_of, sampled, uniform_over


def soft_actor_critic(
    spec: Spec,
    actor: Initialise,
    policy_loss: Loss,
    *,
    discount: float,
    rate: float,
    lr: float,
    batch: int,
    width: int,
    depth: int,
    warmup: int,
    block: int,
    capacity: int,
) -> Algorithm:
    """SAC around this actor and its loss: twin critics of their own width and depth, their slow copies, the temperature.

    `warmup` steps at random, then blocks of `block` steps and as many updates.

    **Source:** Haarnoja et al., arXiv:1812.05905.
    """
    fit = Fit(
        (
            Objective(soft_td, ("critic",)),
            Objective(policy_loss, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        ),
        Uniform("replay", batch, discount),
        times=block,
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm(
        parts={
            "actor": actor,
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "log_alpha": scalar(0.0),
            "replay": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("replay", 1, uniform_over(spec.action)),), cycles=warmup),
            Stage((Collect("replay", block, sampled("actor")), fit)),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


def soft_parts(
    spec: Spec, width: int, depth: int, members: int, *, layer_norm: bool = True, alpha: float | Array = 0.0
) -> dict[str, Initialise | copy_of]:
    """The parts `actor` (a squashed Gaussian), `critic` (so many members), `critic/slow` and `log_alpha`, at first `alpha`."""
    return {
        "actor": squashed_gaussian(spec, width, depth),
        "critic": ensemble_critic(spec, members, width, depth, layer_norm=layer_norm),
        "critic/slow": copy_of("critic"),
        "log_alpha": scalar(alpha),
    }


def soft_objectives(spec: Spec, subset: int, *, entropy: bool = True) -> tuple[Objective, Objective, Objective]:
    """For the critic, on the lowest of `subset` members; the actor, on the mean of all; and the temperature."""
    return (
        Objective(soft_td_of_some(subset, entropy=entropy), ("critic",)),
        Objective(soft_policy_on_mean, ("actor",)),
        Objective(entropy_towards(-0.5 * float(spec.action.size)), ("log_alpha",)),
    )


def critics_then_actor(
    models: tuple[Objective, ...], actors: tuple[Objective, ...], rows: Batches, rate: float, updates: int
) -> tuple[Fit, ...]:
    """`updates` updates of `models`, the last of them together with `actors`; the slow critic follows after each.

    **Source:** Ball et al. (RLPD), arXiv:2302.02948, algorithm 1.
    """
    slow = (follow("critic", "critic/slow", rate),)
    last = Fit((*models, *actors), rows, after=slow)
    return (last,) if updates == 1 else (Fit(models, rows, times=updates - 1, after=slow), last)
