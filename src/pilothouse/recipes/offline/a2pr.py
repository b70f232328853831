"""Adaptive advantage-guided policy regularisation (A2PR): be drawn to the better of what was done and what might be.

A conditional variational autoencoder learns only those actions in the data that are worth more than their state. The
actor is TD3's, drawn to that model's proposal or to the data's action, whichever the critic values more, and only where
one of them is better than the state's value.

Source: Liu et al., "Adaptive Advantage-Guided Policy Regularization for Offline Reinforcement Learning",
arXiv:2405.19909, and the authors' code.
Departures: 1. All losses of an update see the parts from before it; the authors move critic, value and autoencoder in
turn. 2. The squared error is averaged over the entries of an action.
"""

from collections.abc import Sequence

import optax

from pilothouse.algorithm.deterministic import delayed_actor, deterministic_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.arms import final_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.networks.critics import state_value
from pilothouse.networks.generative import conditional_autoencoder
from pilothouse.objectives.advantage_guided import better_than_value, guided_policy, value_of_slow_actor
from pilothouse.objectives.reconstruction import reconstruct
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.policy import mode_of
from pilothouse.recipes.offline.bc import bc
from pilothouse.recipes.offline.td3bc import td3bc
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import DataSource


@recipe("a2pr", takes=Takes(source="data"))
def a2pr(
    spec: Spec,
    *,
    alpha: NotNegative = 2.5,
    pull: NotNegative = 0.5,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    noise: NotNegative = 0.2,
    clip: NotNegative = 0.5,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    models = (
        Objective(td3_td(noise, clip), ("critic",)),
        Objective(value_of_slow_actor(noise, clip), ("value",)),
        Objective(reconstruct(0.5, weight=better_than_value()), ("autoencoder",)),
    )
    actor = Objective(guided_policy(alpha, pull), ("actor",))
    return Algorithm.of(
        parts={
            **deterministic_parts(spec, width, depth),
            "value": state_value(spec, width, depth),
            "autoencoder": conditional_autoencoder(spec, width, depth),
        },
        cycle=delayed_actor(models, actor, Uniform("data", batch, discount), rate),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


ALPHAS = (2.5, 10.0, 40.0, 160.0, 640.0)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SHARED = {"width": 64, "batch": 128, "lr": 1e-3}
ARMS = {
    "a2pr": (a2pr, {**SHARED, "alpha": 160.0}),
    "td3bc": (td3bc, {**SHARED, "alpha": 640.0}),
    "bc": (bc, {**SHARED, "lr": 1e-3}),
}
UPDATES = 8_000


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return over 20 held-out episodes of Pendulum, learned from 4,000 steps at random and 1,000 of a poor controller."""
    source = DataSource(mixed_pendulum(random=4_000, poor=1_000, good=0), world_source("pendulum"))
    return final_returns(ARMS, source, steps=UPDATES, seeds=seeds)


CLAIM = Claim(
    recipe="a2pr",
    statement=(
        "From data that mix bad with middling behaviour, being drawn to the better of the data's action and a proposal "
        "learns more than being drawn to the data's action, and than cloning."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(greater("a2pr", "td3bc"), greater("a2pr", "bc")),
    unit="return (Pendulum)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={
        **{arm: [f"alpha={alpha:g}" for alpha in ALPHAS] for arm in ("a2pr", "td3bc")},
        "bc": [f"lr={lr:g}" for lr in RATES],
    },
    seeds=8,
    notes=(
        "Offline data as in the paper, but of our own making: one dataset for all seeds; the paper's tasks are D4RL's. "
        "Settings were chosen on seeds 0 to 3. Three values of alpha, to 40, were tried first, and the claim then held; "
        "TD3+BC's best was the edge of that range, so the range was widened for all. At the papers' own alpha of 2.5, "
        "seeds 0 to 3, it is -194 against TD3+BC's -1062; with the best alpha of each this task hardly tells them apart."
    ),
)
