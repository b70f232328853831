"""Soft actor-critic (SAC): off-policy learning of a policy that is as random as it can afford to be.

Twin critics bootstrap from the lower of their slow copies, with the policy's entropy counted as reward; the actor
climbs the critics through its own action; a temperature keeps its entropy at a target.

Source: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", arXiv:1812.05905.
Departures: 1. The three losses of an update see the parts from before it. 2. `block` environment steps may be taken
between blocks of as many updates; 1 is the paper's.
"""

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.soft_actor_critic import soft_actor_critic
from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.spaces import Spec
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.objectives.policy_gradient import soft_policy


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
    return soft_actor_critic(
        spec,
        squashed_gaussian(spec, width, depth),
        soft_policy,
        discount=discount,
        rate=rate,
        lr=lr,
        batch=batch,
        width=width,
        depth=depth,
        warmup=warmup,
        block=block,
        capacity=capacity,
    )
