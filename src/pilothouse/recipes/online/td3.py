"""Twin delayed deep deterministic policy gradient (TD3): deterministic control with its overestimation cut.

The lower of two slow critics, at the slow actor's action under clipped noise, is the target; the actor and the slow
copies move at every second update only.

Source: Fujimoto, van Hoof and Meger, "Addressing Function Approximation Error in Actor-Critic Methods",
arXiv:1802.09477.
Departures: 1. In the update that moves both, the actor sees the critic from just before it. 2. Environment steps come
in blocks of two, with two updates between: the delayed update is a block of steps, and never a condition.
"""

import optax

from pilothouse.algorithm.deterministic import delayed_actor, deterministic_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Objective, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.objectives.policy_gradient import deterministic_policy
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.exploration import noisy
from pilothouse.policies.policy import mode_of, uniform_over


@recipe("td3", takes=Takes(source="world"))
def td3(
    spec: Spec,
    *,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    exploration: NotNegative = 0.1,
    noise: NotNegative = 0.2,
    clip: NotNegative = 0.5,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    warmup: Count = 1_000,
    capacity: Count = 1_000_000,
) -> Algorithm:
    critic = Objective(td3_td(noise, clip), ("critic",))
    actor = Objective(deterministic_policy, ("actor",))
    updates = delayed_actor((critic,), actor, Uniform("replay", batch, discount), rate)
    return Algorithm(
        parts={
            **deterministic_parts(spec, width, depth),
            "replay": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("replay", 1, uniform_over(spec.action)),), cycles=warmup),
            Stage((Collect("replay", 2, noisy("actor", exploration)), *updates)),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
