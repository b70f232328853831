"""Deep Q-network (DQN): Q-learning with a replay memory and a slow network.

Act greedily but for a fraction of random choices that falls over the run; move the value of each action taken towards
the reward and the best allowed next action's slow value.

Source: Mnih et al., "Human-level control through deep reinforcement learning", doi:10.1038/nature14236.
Departures: 1. The slow network follows by Polyak averaging at each update; the paper copies it every 10,000. 2. Adam
in place of RMSProp. 3. `block` environment steps are followed by one update, as in the paper (4).
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.networks.critics import q_network
from pilothouse.objectives.temporal_difference import dqn_td
from pilothouse.policies.exploration import epsilon_greedy, greedy
from pilothouse.policies.policy import uniform_over


@recipe("dqn", takes=Takes(source="world", action=("Discrete",), masks=True))
def dqn(
    spec: Spec,
    *,
    discount: Fraction = 0.99,
    rate: Fraction = 0.01,
    epsilon: Fraction = 0.05,
    exploring: Positive = 0.3,
    lr: Positive = 1e-3,
    batch: Count = 128,
    width: Count = 128,
    depth: Count = 2,
    warmup: Count = 200,
    block: Count = 4,
    capacity: Count = 100_000,
) -> Algorithm:
    fit = Fit(
        (Objective(dqn_td(), ("critic",)),),
        Uniform("replay", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm(
        parts={
            "critic": q_network(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "replay": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("replay", 1, uniform_over(spec.action)),), cycles=warmup),
            Stage((Collect("replay", block, epsilon_greedy("critic", 1.0, epsilon, exploring)), fit)),
        ),
        acts=greedy("critic"),
        optimizer=optax.adam(lr),
    )
