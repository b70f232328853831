"""Soft actor-critic (SAC): off-policy learning of a policy that is as random as it can afford to be.

Twin critics bootstrap from the lower of their slow copies, with the policy's entropy counted as reward; the actor
climbs the critics through its own action; a temperature keeps its entropy at a target.

Source: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", arXiv:1812.05905.
Departures: 1. The three losses of an update see the parts from before it. 2. `block` environment steps may be taken
between blocks of as many updates; 1 is the paper's.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import soft_td
from pilothouse.policies.policy import mode_of, sampled, uniform_over


@recipe("sac", takes=Takes(source="world"))
def sac(
    spec: Spec,
    *,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    warmup: Count = 1_000,
    block: Count = 1,
    capacity: Count = 1_000_000,
) -> Algorithm:
    fit = Fit(
        (
            Objective(soft_td, ("critic",)),
            Objective(soft_policy, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        ),
        Uniform("replay", batch, discount),
        times=block,
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm(
        parts={
            "actor": squashed_gaussian(spec, width, depth),
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
