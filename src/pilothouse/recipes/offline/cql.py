"""Conservative Q-learning (CQL): hold the critic down where there are no data, and then climb it without fear.

SAC whose critics are pressed down at actions of the policy and at random ones, and up at those of the data, so that what
the data do not hold is never overestimated; the actor needs no constraint of its own.

Source: Kumar, Zhou, Tucker and Levine, "Conservative Q-Learning for Offline Reinforcement Learning", arXiv:2006.04779,
the variant CQL(H), and the authors' code.
Departures: 1. The losses of an update see the parts from before it. 2. The weight of the gap is fixed, as in the paper's
results on locomotion; the dual that adapts it is left out. 3. The actor climbs from the first update; the authors clone
for the first 40,000. d3rlpy's CQL takes the likeliest next action in its target; we draw one, as the authors' code does.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.conservative import conservative_td
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.policies.policy import mode_of


@recipe("cql", takes=Takes(source="data"))
def cql(
    spec: Spec,
    *,
    weight: NotNegative = 5.0,
    samples: Count = 10,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    actor_lr: Positive = 1e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    fit = Fit(
        (
            Objective(conservative_td(weight, samples), ("critic",)),
            Objective(soft_policy, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm.of(
        parts={
            "actor": squashed_gaussian(spec, width, depth),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "log_alpha": scalar(0.0),
        },
        cycle=(fit,),
        acts=mode_of("actor"),
        optimizer={"critic": optax.adam(lr), "actor": optax.adam(actor_lr), "log_alpha": optax.adam(actor_lr)},
    )
