"""TD3+BC: a minimalist offline method, TD3 with a tether to the data.

The critic is TD3's. The actor climbs the critic, scaled to the size of a squared action error, and is held to the
data's actions by that error.

Source: Fujimoto and Gu, "A Minimalist Approach to Offline Reinforcement Learning", arXiv:2106.06860; TD3 from
Fujimoto, van Hoof and Meger, arXiv:1802.09477.
Departures: 1. In the update that moves both, the actor sees the critic from just before it, not from just after.
2. Observations are standardised by the dataset's mean and standard deviation (as in the paper), by the source.
"""

import optax

from pilothouse.algorithm.deterministic import delayed_actor, deterministic_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.objectives.cloning import td3_bc
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.policy import mode_of


@recipe("td3bc", takes=Takes(source="data"))
def td3bc(
    spec: Spec,
    *,
    alpha: NotNegative = 2.5,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    noise: NotNegative = 0.2,
    clip: NotNegative = 0.5,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    critic = Objective(td3_td(noise, clip), ("critic",))
    actor = Objective(td3_bc(alpha), ("actor",))
    return Algorithm.of(
        parts=deterministic_parts(spec, width, depth),
        cycle=delayed_actor((critic,), actor, Uniform("data", batch, discount), rate),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
