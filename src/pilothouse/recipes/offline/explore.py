"""ExPLORe: prior data without rewards, labelled with what a learner would hope for, so that it goes where they went.

RLPD whose prior rows say nothing of reward. A model of reward and one of endings learn from what is lived; prior rows are
labelled by them, plus a bonus where a pair is new to the learner (random network distillation, which learns from what is
lived alone). Labels are made whenever rows are drawn, so they follow the models: a region that has been visited without
reward loses its charm. Rows that were lived keep the reward that they had.

Source: Li, Zhang, Ghosh, Zhang and Levine, "Accelerating Exploration with Unlabeled Prior Data", arXiv:2311.05067, and
the authors' code.
Departures: 1. As for our RLPD. 2. Models begin to learn with the actor; theirs somewhat later. 3. One learning rate for
all parts. `cost` is taken from every reward, lived or hoped for: the authors take 1 in AntMaze, so that episodes that end
at the goal are worth ending. `temperature` is the weight of entropy at first. `prior` `predicted` labels without the bonus, `unused` leaves the prior data out.
"""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import remember
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.soft_actor_critic import critics_then_actor, soft_objectives, soft_parts
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Mixed, Uniform, Whole
from pilothouse.data.relabelled import Relabelled
from pilothouse.data.stores import ring
from pilothouse.evaluate.arms import curve_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_maze import BEND, Walker, walks
from pilothouse.networks.critics import ensemble_critic
from pilothouse.networks.novelty import random_distillation
from pilothouse.objectives.learned_models import ending_error, reward_error
from pilothouse.objectives.novelty import less_cost, novelty_error, predicted_labels
from pilothouse.policies.policy import mode_of, sampled, uniform_over


@recipe("explore", takes=Takes(source="continued"))
def explore(
    spec: Spec,
    *,
    prior: Literal["optimistic", "predicted", "unused"] = "optimistic",
    bonus: NotNegative = 1.0,
    cost: NotNegative = 0.0,
    temperature: Positive = 1.0,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    members: Count = 10,
    subset: Count = 2,
    updates: Count = 20,
    entropy: bool = True,
    warmup: Count = 5_000,
    capacity: Count = 1_000_000,
) -> Algorithm:
    critic, *actors = soft_objectives(spec, subset, entropy=entropy)
    hopes, used = prior == "optimistic", prior != "unused"
    label = predicted_labels(bonus, discount, cost, novelty="novelty" if hopes else None)
    shown = (Relabelled(Uniform("data", batch // 2), label),) if used else ()
    lived = Uniform("replay", batch - batch // 2 if used else batch, discount)
    rows = Mixed((*shown, Relabelled(lived, less_cost(cost))))
    models = Fit((Objective(reward_error(), ("reward",)), Objective(ending_error(), ("ending",))),
                 Uniform("replay", batch), times=updates)  # fmt: skip
    newer = Fit((Objective(novelty_error(), ("novelty",)),), Whole("lived"))
    keep = remember("lived", "replay")
    learn = (*((newer,) if hopes else ()), *critics_then_actor((critic,), tuple(actors), rows, rate, updates),
             *((models,) if used else ()))  # fmt: skip
    return Algorithm(
        parts={
            **soft_parts(spec, width, depth, members, alpha=jnp.log(temperature)),
            "reward": ensemble_critic(spec, 1, width, depth),
            "ending": ensemble_critic(spec, 1, width, depth),
            "novelty": random_distillation(spec, width, depth),
            "replay": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("lived", 1, uniform_over(spec.action)), keep), cycles=warmup),
            Stage((Collect("lived", 1, sampled("actor")), keep, *learn)),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


SHARED = {"width": 32, "batch": 64, "members": 2, "updates": 2, "warmup": 60, "capacity": 4_000, "rate": 0.02}
SHARED |= {"discount": 0.97, "temperature": 0.05}
ARMS = {
    "explore": (explore, {**SHARED, "prior": "optimistic", "bonus": 5.0, "cost": 0.1, "lr": 3e-3}),
    "no optimism": (explore, {**SHARED, "prior": "predicted", "cost": 0.1, "lr": 1e-3}),
    "no prior data": (explore, {**SHARED, "prior": "unused", "cost": 0.0, "lr": 3e-3}),
}
STEPS = 3_000
GRID = [f"lr={lr:g} cost={cost:g}" for lr in (1e-3, 3e-3) for cost in (0.0, 0.1)]
COLDER = [f"{point} temperature={temperature:g}" for point in GRID for temperature in (0.05, 0.5)]


def measure(seeds: Sequence[int]) -> Measured:
    """Share of episodes that reach the goal of a bent maze, over the whole curve of 3,000 steps in it.

    Prior data are 2,000 steps of a planner that wanders in the same maze when the goal was not there: no reward is in
    them, and none is read.
    """
    source = walks(BEND, Walker(0.5, 2_000, wander=True), blind=True)
    return curve_returns(ARMS, source, steps=STEPS, seeds=seeds, evaluations=10)


CLAIM = Claim(
    recipe="explore",
    statement=(
        "Where reward is rare, prior data without rewards, labelled with optimism, let a learner reach the goal in more of "
        "its episodes over the whole curve than the same learner without the optimism, or without the data."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(greater("explore", "no optimism"), greater("explore", "no prior data")),
    unit="share of episodes at the goal, over the curve (point maze)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={
        "explore": [f"{point} bonus={bonus:g}" for point in GRID for bonus in (1.0, 5.0)],
        "no optimism": COLDER,
        "no prior data": COLDER,
    },
    seeds=8,
    notes=(
        "A point in a maze for the paper's ant, two critics for ten, two updates a step for twenty. Each arm has the best of "
        "its own eight settings on seeds 0 and 1; the other two have no bonus to choose, and tried the first temperature in "
        "its place. Their bests were 0.67, 0.12 and 0.03. Before that, the same maze with steps half as long, a horizon of 60 "
        "and a first temperature of 1 was tried at the four settings of rate and cost: no arm ever came to the goal."
    ),
)
