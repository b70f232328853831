"""SAC-N: soft actor-critic on data alone, with so many critics that the lowest of them is caution enough.

Where the data say little the members disagree, and the lowest is low: no other constraint is needed, only members.

Source: An, Moon, Kim and Song, "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
arXiv:2110.01548, section 3. Departures: 1. The losses of an update see the parts from before it. The paper takes 10, 20
or 500 members by task.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.soft_actor_critic import soft_parts
from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import soft_td
from pilothouse.policies.policy import mode_of


@recipe("sac-n", takes=Takes(source="data"))
def sac_n(
    spec: Spec,
    *,
    members: Count = 10,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 3,
) -> Algorithm:
    fit = Fit(
        (
            Objective(soft_td, ("critic",), weight=2.0),
            Objective(soft_policy, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm.of(
        parts=soft_parts(spec, width, depth, members, layer_norm=False),
        cycle=(fit,),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
