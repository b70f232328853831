"""EDA: a diffusion model of behaviour that is aligned with values as a language model is with preferences.

First a diffusion policy imitates all data, whatever they pay. Its noise is the slope of one number, so that it knows its
own log-density, which other diffusion policies do not. Then several of its actions in some states are valued, and a copy of
it learns to make each likelier than before by as much as its value says: a preference among many, with numbers.

Source: Chen, Zheng, Su and Zhu, "Aligning Diffusion Behaviors with Q-functions for Efficient Continuous Control",
arXiv:2407.09024, and the authors' code, with the critics of IQL.
Departures: 1. The schedule and the network are IDQL's, of `steps` steps where the authors' time is continuous. 2. Critics
learn beside the behaviour, before the alignment, in as many updates. 3. The solver is the two-step DPM-Solver++. 4. States
to be labelled are drawn with replacement. 5. No dropout. 6. Rewards are as they come; the authors scale them by task.
"""

from collections.abc import Sequence

import optax

from pilothouse.algorithm.drawn_actions import draw_actions, room_for_draws
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import copy, follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, copy_of
from pilothouse.core.aliases import Parts
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, not_worse
from pilothouse.evaluate.scripted_modes import chosen_ways
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.networks.energy import energy_actor
from pilothouse.networks.generative import Solved
from pilothouse.objectives.alignment import align_density
from pilothouse.objectives.denoising import denoise
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.temporal_difference import q_on_value
from pilothouse.policies.best_of import BestOf
from pilothouse.train.session import learn


@recipe("eda", takes=Takes(source="data"))
def eda(
    spec: Spec,
    *,
    sharpness: NotNegative = 3.0,
    trust: Positive = 1.0,
    labelled: Count = 20_000,
    samples: Count = 16,
    candidates: Count = 4,
    pretraining: Count = 500_000,
    steps: Count = 100,
    evaluations: Count = 15,
    blocks: Count = 3,
    expectile: Fraction = 0.7,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    tuning_lr: Positive = 5e-5,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    """`sharpness`: of the values that the policy is aligned with. `trust`: how little a difference of log-densities has to
    be. `labelled`: states in which actions are valued, `samples` in each. `pretraining`: updates of behaviour and critics.
    `tuning_lr`: the rate of the alignment."""
    imitate = Fit(
        (
            Objective(value_expectile(expectile), ("value",)),
            Objective(q_on_value, ("critic",)),
            Objective(denoise(actor="behaviour"), ("behaviour",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    align = Fit((Objective(align_density(sharpness, trust), ("actor",)),), Uniform("draws", batch))

    def drawing(part: str, parts: Parts) -> Solved:
        return Solved(parts[part], evaluations)

    return Algorithm(
        parts={
            "behaviour": energy_actor(spec, width, blocks, steps, dropout=0.0),
            "actor": copy_of("behaviour"),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "value": state_value(spec, width, depth),
            "draws": room_for_draws(spec, labelled, samples),
        },
        stages=(
            for_updates(pretraining, imitate),
            Stage((copy("behaviour", "actor"), draw_actions("draws", lambda parts: drawing("behaviour", parts))), 1),
            Stage((align,), optimizer=optax.adam(tuning_lr)),
        ),
        acts=lambda parts: BestOf(drawing("actor", parts), parts["critic/slow"], candidates),
        optimizer=optax.adam(lr),
    )


SHARED = {
    "width": 32,
    "blocks": 1,
    "depth": 1,
    "batch": 64,
    "steps": 10,
    "evaluations": 5,
    "candidates": 4,
    "rate": 0.02,
}
SHARED |= {"lr": 3e-3, "samples": 8, "pretraining": 2_500}
ROWS, UPDATES, EPISODES = 4_000, 4_000, 200
SHARP, TUNING_RATES = 10.0, (3e-4, 1e-3, 3e-3)
SETTINGS = {
    "aligned": {**SHARED, "labelled": ROWS, "sharpness": SHARP, "tuning_lr": 1e-3},
    "aligned by 1%": {**SHARED, "labelled": ROWS // 100, "sharpness": SHARP, "tuning_lr": 3e-3},
    "as cloned": {**SHARED, "labelled": ROWS, "sharpness": 0.0, "tuning_lr": 1e-3},
}


def measure(seeds: Sequence[int]) -> Measured:
    """Mean pay of 200 held-out choices, learned from 4,000 of somebody who takes the best of four ways one time in ten."""
    source, values, diverged = chosen_ways(ROWS, best=0.1), {}, {}
    for arms in (("aligned", "as cloned"), ("aligned by 1%",)):
        # Arms that differ in a number alone are lanes of one program.
        sharpness = [SETTINGS[arm]["sharpness"] for arm in arms for _ in seeds]
        run = learn(
            eda(**SETTINGS[arms[0]]),
            source,
            steps=UPDATES,
            seeds=[*seeds] * len(arms),
            floats={"sharpness": sharpness},
            episodes=EPISODES,
        )
        values |= dict(zip(arms, run.final_returns().mean(axis=1).reshape(len(arms), -1), strict=True))
        diverged |= dict(zip(arms, run.diverged().reshape(len(arms), -1), strict=True))
    return Measured(values, diverged)


CLAIM = Claim(
    recipe="eda",
    statement=(
        "Aligned with values, a diffusion model of behaviour is paid more than as it was cloned, both choosing the best of four "
        "draws; and with a hundredth of the states labelled it is paid next to as much."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(greater("aligned", "as cloned"), not_worse("aligned by 1%", "aligned", margin=0.05)),
    unit="pay of a choice, at most 1",
    settings=SETTINGS,
    tried={arm: [f"tuning_lr={lr:g}" for lr in TUNING_RATES] for arm in SETTINGS},
    seeds=8,
    notes=(
        "A choice in the plane, as the paper's own illustration is, and not its D4RL tasks: each state has four good actions, "
        "one better than the next, and one time in ten the best was taken. The draws of both are chosen from by the same "
        "critic. Tuned on seeds 0 and 1; by rising rate aligned earned 0.65, 0.66 and 0.63, by 1% 0.64, 0.64 and 0.65, and as "
        "cloned 0.50 at all. The margin is 5% of the most that is paid, after the paper's 95%. Before, sharpness 0, 3, 10 and 30 "
        "were tried on a narrower version of the task, where 1,000 updates cloned nothing and nothing could be aligned; on a "
        "second version with a context turned further, seed 0 earned 0.61 aligned and 0.56 cloned; and this one was looked at on "
        "seed 0 with fewer updates (0.60 and 0.46)."
    ),
)
