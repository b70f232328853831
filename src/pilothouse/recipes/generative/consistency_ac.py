"""Consistency-AC: a policy as expressive as a diffusion model that draws an action in two evaluations, led by a critic.

A consistency model leads an action with any amount of noise back to the clean one at once. It learns this from the data's
actions alone: two amounts of the same noise must be led back to the same. What imitation leaves open the critic decides:
it is climbed at a drawn action, through the two evaluations that drawing takes, where Diffusion-QL goes through its chain.

Source: Ding and Jin, "Consistency Models as a Rich and Efficient Policy Class for Reinforcement Learning",
arXiv:2309.16984, and the authors' code; learning from data, the first of the paper's three settings.
Departures: 1. The network also scales its input by the noise in it, as Song et al. do, and sees the logarithm of that
noise. 2. Slow copies follow at every update, by one rate. 3. The value is scaled by the size of the member that is
climbed; the authors' by that of the other. 4. Gradients are not clipped, targets not scaled, and no maximum is taken over
next actions, which the authors choose by task. 5. All losses of an update see the parts from before it.
"""

from collections.abc import Sequence

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.arms import final_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import not_worse
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.networks.consistency import consistency_actor
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.consistency import be_consistent
from pilothouse.objectives.generated import climb, generated_td
from pilothouse.policies.best_of import drawn_by_value
from pilothouse.recipes.generative.diffusion_ql import diffusion_ql
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import DataSource


@recipe("consistency-ac", takes=Takes(source="data"))
def consistency_ac(
    spec: Spec,
    *,
    eta: NotNegative = 1.0,
    evaluations: Count = 2,
    levels: Count = 150,
    scaled: bool = True,
    candidates: Count = 50,
    sharpness: NotNegative = 1.0,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 3,
) -> Algorithm:
    """`eta`: weight of the value. `evaluations`: of the network, for each action drawn. `levels`: of noise, at the end.
    `scaled`: whether errors of imitation are weighed by the distance of their levels."""
    fit = Fit(
        (
            Objective(generated_td(lambda parts: parts["actor/slow"]), ("critic",)),
            Objective(be_consistent(levels, scaled=scaled), ("actor",)),
            Objective(climb(eta), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate), follow("actor", "actor/slow", rate)),
    )
    return Algorithm.of(
        parts={
            "actor": consistency_actor(spec, width, depth, evaluations),
            "actor/slow": copy_of("actor"),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
        },
        cycle=(fit,),
        acts=drawn_by_value(lambda parts: parts["actor"], "critic/slow", candidates, sharpness),
        optimizer=optax.adam(lr),
    )


ETAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
ALPHAS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHARED = {"width": 32, "batch": 64, "depth": 2, "lr": 3e-3, "discount": 0.95, "rate": 0.02, "candidates": 10}
ARMS = {
    "consistency-ac": (consistency_ac, {**SHARED, "eta": 300.0}),
    "diffusion-ql": (diffusion_ql, {**SHARED, "blocks": 1, "steps": 5, "alpha": 100.0}),
}
UPDATES = 3_000


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return over 20 held-out episodes of Pendulum, learned from 2,000 steps each of three kinds of behaviour."""
    source = DataSource(mixed_pendulum(random=2_000, poor=2_000, good=2_000), world_source("pendulum"))
    return final_returns(ARMS, source, steps=UPDATES, seeds=seeds)


CLAIM = Claim(
    recipe="consistency-ac",
    statement=(
        "A policy that draws its actions in two evaluations of a consistency model earns no less from data than one that "
        "draws them by a diffusion chain of five."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(not_worse("consistency-ac", "diffusion-ql", margin=100.0),),
    unit="return (Pendulum)",
    settings={**{arm: settings for arm, (_, settings) in ARMS.items()}, "updates": UPDATES},
    tried={
        "consistency-ac": [f"eta={eta:g}" for eta in ETAS],
        "diffusion-ql": [f"alpha={alpha:g}" for alpha in ALPHAS],
    },
    seeds=16,
    notes=(
        "The task, the margin and the search of Diffusion-QL are those of our claim of EDP, whose baseline it is too. On "
        "seeds 0 and 1 Consistency-AC earned -851, -907, -895, -677, -799, -450 and -761 by rising eta, and Diffusion-QL -898, "
        "-951, -905, -733, -505, -462 and -270 by rising alpha: its best is the edge of the range, and a higher one might be "
        "better still. The consistency model is a perceptron of two layers, as the paper has for both; Diffusion-QL's network is "
        "IDQL's, which is larger. That an action costs two evaluations instead of one a step is counted by our test. Offline "
        "data as in the paper, but of our own making: one dataset for all seeds."
    ),
)
