"""Imputed rewards: a regression on the few rows that have a reward, then offline learning on all rows by its rewards.

A small perceptron is fitted to the rewards of the labelled rows alone, from what was seen and done there. Whatever it says
of the other rows stands for their rewards, and TD3+BC learns from all of them as if it were true.

Source: Romeo and Bagdanov, "Offline Reinforcement Learning with Imputed Rewards", arXiv:2407.10839, by its abstract and
published summaries.
Departures: 1. TD3+BC learns from the imputed rows; IQL, their second method, is left out. 2. Labelled rows keep their own
rewards. 3. The regression's length and rate are ours.
"""

import optax

from pilothouse.algorithm.deterministic import delayed_actor, deterministic_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.missing_labels import Imputed, Labelled
from pilothouse.networks.critics import ensemble_critic
from pilothouse.objectives.cloning import td3_bc
from pilothouse.objectives.learned_models import reward_error, said_reward
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.policy import mode_of


@recipe("reward-imputation", takes=Takes(source="data", lacking=("reward",)))
def reward_imputation(
    spec: Spec,
    *,
    pretraining: Count = 5_000,
    reward_lr: Positive = 1e-3,
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
    regression = Fit((Objective(reward_error(), ("reward",)),), Labelled("data", batch, "reward"))
    critic = Objective(td3_td(noise, clip), ("critic",))
    actor = Objective(td3_bc(alpha), ("actor",))
    rows = Imputed("data", batch, discount, label="reward", says=said_reward())
    return Algorithm(
        parts={**deterministic_parts(spec, width, depth), "reward": ensemble_critic(spec, 1, width, depth)},
        stages=(for_updates(pretraining, regression), Stage(delayed_actor((critic,), actor, rows, rate))),
        acts=mode_of("actor"),
        optimizer={"reward": optax.adam(reward_lr)} | dict.fromkeys(("actor", "critic"), optax.adam(lr)),
    )
