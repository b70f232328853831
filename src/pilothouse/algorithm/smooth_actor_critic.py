"""What RORL and its kin share: SAC with many critics, kept smooth around the data and humble outside them."""

from collections.abc import Sequence

from pilothouse.algorithm.steps import Objective
from pilothouse.core.spaces import Spec
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.smoothness import Caution, doubt_nearby, policy_smoothness, value_smoothness
from pilothouse.objectives.temporal_difference import soft_td


def smooth_objectives(
    spec: Spec,
    *,
    reaches: Sequence[float],
    weights: Sequence[float],
    lean: float,
    caution: Caution,
    samples: int,
) -> tuple[Objective, ...]:
    """SAC-N's three objectives, and three that look around the data: policy smoothness, value smoothness, doubt.

    `reaches` and `weights` are of these last three, in this order; each looks at `samples` observations near every one.

    **Source:** Yang et al. (RORL), arXiv:2206.02829, equations 5 and 6.
    """
    policy_reach, value_reach, doubt_reach = reaches
    policy_weight, value_weight, doubt_weight = weights
    return (
        # Twice SAC's half: the weights of the others are against whole squared errors.
        Objective(soft_td, ("critic",), weight=2.0),
        Objective(value_smoothness(value_reach, samples, lean=lean), ("critic",), value_weight, "value_smoothness"),
        Objective(doubt_nearby(doubt_reach, samples, caution), ("critic",), doubt_weight, "doubt"),
        Objective(soft_policy, ("actor",)),
        Objective(policy_smoothness(policy_reach, samples), ("actor",), policy_weight, "policy_smoothness"),
        Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
    )
