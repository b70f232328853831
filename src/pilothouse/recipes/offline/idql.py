"""Implicit diffusion Q-learning (IDQL): IQL's critics, and an actor that imitates all of the data and then chooses.

The critics are IQL's and never see an action outside the data. The actor is a diffusion model of the behaviour, trained
by plain cloning, and so keeps all its modes; to act, many actions are drawn from it and the critic's favourite is taken.

Source: Hansen-Estruch et al., "IDQL: Implicit Q-Learning as an Actor-Critic Method with Diffusion Policies",
arXiv:2304.10573.
Departures: 1. The expectile form of the value's loss only. 2. The highest value is taken, as the authors evaluate; drawing
by the implied weights is left out. 3. The rate of the actor is constant; the authors anneal it by a cosine.
"""

from collections.abc import Sequence

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.arms import final_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.networks.generative import denoising_actor
from pilothouse.objectives.denoising import denoise
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.temporal_difference import q_on_value
from pilothouse.policies.best_of import best_of
from pilothouse.recipes.offline.iql import iql
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import DataSource


@recipe("idql", takes=Takes(source="data"))
def idql(
    spec: Spec,
    *,
    expectile: Fraction = 0.7,
    candidates: Count = 64,
    steps: Count = 5,
    blocks: Count = 3,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    fit = Fit(
        (
            Objective(value_expectile(expectile), ("value",)),
            Objective(q_on_value, ("critic",)),
            Objective(denoise(), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm.of(
        parts={
            "actor": denoising_actor(spec, width, blocks, steps),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "value": state_value(spec, width, depth),
        },
        cycle=(fit,),
        acts=best_of("actor", "critic/slow", candidates),
        optimizer=optax.adam(lr),
    )


SHARED = {"width": 64, "batch": 128, "lr": 1e-3}
ARMS = {
    "idql": (idql, {**SHARED, "blocks": 2, "candidates": 32, "expectile": 0.7}),
    "iql": (iql, {**SHARED, "sharpness": 10.0, "expectile": 0.7}),
}
UPDATES = 6_000


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return over 20 held-out episodes of Pendulum, learned from 2,000 steps at random and 4,000 of a poor controller."""
    source = DataSource(mixed_pendulum(random=2_000, poor=4_000, good=0), world_source("pendulum"))
    return final_returns(ARMS, source, steps=UPDATES, seeds=seeds)


CLAIM = Claim(
    recipe="idql",
    statement="On data of mixed behaviour, choosing among a diffusion model's actions by IQL's critic earns more than IQL's actor.",
    basis="paper",
    source="paper",
    measure=measure,
    relations=(greater("idql", "iql"),),
    unit="return (Pendulum)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={
        "idql": [
            "expectile=0.7",
            "expectile=0.9",
            "expectile=0.7 candidates=8",
            "expectile=0.7 rate=0.02",
        ],
        "iql": [f"expectile={expectile} sharpness={sharpness}" for sharpness in (3, 10) for expectile in (0.7, 0.9)],
    },
    seeds=8,
    notes=(
        "Offline data as in the paper, but of our own making: one dataset for all seeds. Settings were chosen on seeds 0 "
        "to 2. The paper's tasks are D4RL's."
    ),
)
