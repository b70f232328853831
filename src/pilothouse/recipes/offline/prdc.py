"""Policy regularisation with dataset constraint (PRDC): stay near some pair in the data, not near this one.

TD3 whose actor is drawn to the data's action nearest to its own, where distance is over observation and action together:
an action that the data took in a similar state is allowed, even if this state's own action was bad.

Source: Ran, Li, Zhang, Li and Wang, "Policy Regularization with Dataset Constraint for Offline Reinforcement Learning",
arXiv:2306.06569.
Departures: 1. The nearest pair is found by a matrix product over all rows, in place of a tree; of more than 16,384 rows
each update searches so many, drawn anew, and those of its own batch. 2. The squared error is averaged over the entries of an action, as our TD3+BC's.
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
from pilothouse.objectives.dataset_constraint import td3_near_data
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.policy import mode_of
from pilothouse.recipes.offline.bc import bc
from pilothouse.recipes.offline.td3bc import td3bc
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import DataSource


@recipe("prdc", takes=Takes(source="data", obs=("Box",)))
def prdc(
    spec: Spec,
    *,
    alpha: NotNegative = 2.5,
    beta: NotNegative = 2.0,
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
    actor = Objective(td3_near_data(alpha, beta), ("actor",))
    return Algorithm.of(
        parts=deterministic_parts(spec, width, depth),
        cycle=delayed_actor((critic,), actor, Uniform("data", batch, discount), rate),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


ALPHAS = (2.5, 10.0, 40.0, 160.0, 640.0)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SHARED = {"width": 64, "batch": 128, "lr": 1e-3}
ARMS = {
    "prdc": (prdc, {**SHARED, "alpha": 160.0}),
    "td3bc": (td3bc, {**SHARED, "alpha": 640.0}),
    "bc": (bc, {**SHARED, "lr": 1e-3}),
}
UPDATES = 8_000


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return over 20 held-out episodes of Pendulum, learned from 4,000 steps at random and 1,000 of a poor controller."""
    source = DataSource(mixed_pendulum(random=4_000, poor=1_000, good=0), world_source("pendulum"))
    return final_returns(ARMS, source, steps=UPDATES, seeds=seeds)


CLAIM = Claim(
    recipe="prdc",
    statement=(
        "From data that are mostly bad, being held to the nearest pair in the data learns more than being held to the "
        "state's own action, and than cloning."
    ),
    basis="paper",
    source="paper",
    measure=measure,
    relations=(greater("prdc", "td3bc"), greater("prdc", "bc")),
    unit="return (Pendulum)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={
        **{arm: [f"alpha={alpha:g}" for alpha in ALPHAS] for arm in ("prdc", "td3bc")},
        "bc": [f"lr={lr:g}" for lr in RATES],
    },
    seeds=8,
    notes=(
        "Offline data as in the paper, but of our own making: one dataset for all seeds; the paper's tasks are D4RL's. "
        "Settings were chosen on seeds 0 to 3. Three values of alpha, to 40, were tried first, and the claim then held; "
        "TD3+BC's best was the edge of that range, so the range was widened for all. At the papers' own alpha of 2.5, "
        "seeds 0 to 3, it is -179 against TD3+BC's -1062; with the best alpha of each this task hardly tells them apart."
    ),
)
