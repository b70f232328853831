"""EDAC: SAC-N whose critics are made to differ, so that a tenth of them are caution enough.

The members' gradients by the action are pushed apart at the data's actions: near the data they still agree in value, and
a step outside it they no longer agree.

Source: An, Moon, Kim and Song, "Uncertainty-Based Offline Reinforcement Learning with Diversified Q-Ensemble",
arXiv:2110.01548, and the authors' code. Departures: 1. The losses of an update see the parts from before it. 2. All pairs
of members are pushed apart; the authors' code draws as many members as an action has entries, where it has fewer.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.soft_actor_critic import soft_parts
from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.objectives.diversity import action_gradients_apart
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import soft_td
from pilothouse.policies.policy import mode_of


@recipe("edac", takes=Takes(source="data"))
def edac(
    spec: Spec,
    *,
    diversity: NotNegative = 1.0,
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
            # Twice SAC's half: the weight of the second is against whole squared errors.
            Objective(soft_td, ("critic",), weight=2.0),
            Objective(action_gradients_apart, ("critic",), weight=diversity),
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
