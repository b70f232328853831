"""What the family of SAC with many critics shares: its parts, and a block of critic updates with one of the actor."""

from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.steps import Batches, Fit, Objective, copy_of
from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import ensemble_critic
from pilothouse.objectives.ensembles import soft_policy_on_mean, soft_td_of_some
from pilothouse.objectives.policy_gradient import entropy_towards


def soft_parts(
    spec: Spec, width: int, depth: int, members: int, *, layer_norm: bool = True, alpha: float = 0.0
) -> dict[str, Initialise | copy_of]:
    """The parts `actor` (a squashed Gaussian), `critic` (so many members), `critic/slow` and `log_alpha`."""
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
