"""ReBRAC: TD3+BC done again with what the field had learned since: normalised critics, depth, and a penalty in the target too.

The actor climbs the lower critic, scaled by its mean size, and is held to the data's actions; the critic's targets pay
for leaving the action that the data took next, by a weight of its own.

Source: Tarasov, Kurenkov, Nikulin and Kolesnikov, "Revisiting the Minimalist Approach to Offline Reinforcement Learning",
arXiv:2305.09836, and the authors' code.
Departures: 1. In the update that moves both, the actor sees the critic from just before it. 2. Where no action follows (a
time limit, the end of a cut episode) the target pays nothing. 3. Observations are standardised by the source; the paper
does not. The two weights are chosen by task in the paper, from 0.001 to 0.1 and from 0 to 0.5.
"""

import optax

from pilothouse.algorithm.deterministic import delayed_actor, deterministic_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.following import Following
from pilothouse.objectives.behaviour_penalty import penalised_policy, penalised_td
from pilothouse.policies.policy import mode_of


@recipe("rebrac", takes=Takes(source="data"))
def rebrac(
    spec: Spec,
    *,
    actor_penalty: NotNegative = 0.01,
    critic_penalty: NotNegative = 0.01,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    noise: NotNegative = 0.2,
    clip: NotNegative = 0.5,
    lr: Positive = 1e-3,
    batch: Count = 1024,
    width: Count = 256,
    depth: Count = 3,
) -> Algorithm:
    critic = Objective(penalised_td(critic_penalty, noise, clip), ("critic",))
    actor = Objective(penalised_policy(actor_penalty), ("actor",))
    return Algorithm.of(
        parts=deterministic_parts(spec, width, depth, layer_norm=True),
        cycle=delayed_actor((critic,), actor, Following("data", batch, discount), rate),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
