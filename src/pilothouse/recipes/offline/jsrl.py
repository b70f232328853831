"""Jump-start reinforcement learning (JSRL): a guide begins every episode, ever shorter, and a learner ends it.

Whatever acts tolerably (here learned from the data by IQL) takes the learner to where reward is near. As long as the
returns of the last few episodes are within a tolerance of the best, the guide's part is shortened, until the learner
acts alone: a curriculum of first states that runs backwards from the goal.

Source: Uchendu et al., "Jump-Start Reinforcement Learning", arXiv:2204.02372; any off-policy learner may be the
second. Departures: 1. The learner is SAC from scratch, with the critics of RLPD, on what is lived alone. 2. A round is a
block of fresh episodes, one in each environment, of at most `length` steps, with learning between rounds; the rounds
that are learned from are also those that the curriculum measures, where the paper evaluates apart. 3. The likeliest
action of the guide is taken. `temperature` is the weight of entropy at first; with `guided` 0 the learner is alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import optax

from pilothouse.algorithm.curriculum import guide_steps, shorten_guide
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, remember
from pilothouse.algorithm.settings import Count, Fraction, Natural, NotNegative, Positive
from pilothouse.algorithm.soft_actor_critic import critics_then_actor, soft_objectives, soft_parts
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.evaluate.arms import curve_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_maze import BEND, Walker, walks
from pilothouse.networks.actors import gaussian_actor
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.objectives.cloning import clone_by_advantage
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.temporal_difference import q_on_value
from pilothouse.policies.jump_start import jump_started
from pilothouse.policies.policy import mode_of, sampled


@recipe("jsrl", takes=Takes(source="continued"))
def jsrl(
    spec: Spec,
    *,
    offline: Count = 100_000,
    length: Count = 200,
    guided: Natural = 200,
    shorten: Count = 20,
    window: Count = 5,
    tolerance: NotNegative = 0.1,
    temperature: Positive = 1.0,
    expectile: Fraction = 0.7,
    sharpness: Positive = 3.0,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    members: Count = 2,
    updates: Count = 1,
    capacity: Count = 1_000_000,
) -> Algorithm:
    """`length`: of a round's episodes, at most; `guided`: the guide's steps at first, which shrink by `shorten` when the last
    `window` rounds went within `tolerance` of the best. A guide that earns nothing in its first rounds is no measure: choose
    `window` and environments so that it earns."""
    value, critic, slow = "guide/value", "guide/critic", "guide/critic/slow"
    q_loss = partial(q_on_value, critic=critic, value=value)
    guide = Fit(
        (
            Objective(value_expectile(expectile, value=value, slow=slow), (value,)),
            Objective(q_loss, (critic,), name="guide_q_on_value"),
            Objective(clone_by_advantage(sharpness, actor="guide", slow=slow, value=value), ("guide",)),
        ),
        Uniform("data", batch, discount),
        after=(follow(critic, slow, rate),),
    )
    objective, *actors = soft_objectives(spec, min(2, members))
    learn = critics_then_actor((objective,), tuple(actors), Uniform("replay", batch, discount), rate, updates)
    steps = "guide/steps"

    def both(learner):
        return jump_started(mode_of("guide"), learner, lambda parts: parts[steps].steps)

    lived = Collect("episodes", length, both(sampled("actor")), fresh=True)
    curriculum = shorten_guide(steps, "episodes", shorten, tolerance)
    return Algorithm(
        parts={
            "guide": gaussian_actor(spec, width, depth),
            critic: twin_critic(spec, width, depth),
            slow: copy_of(critic),
            value: state_value(spec, width, depth),
            **soft_parts(spec, width, depth, members, alpha=jnp.log(temperature)),
            steps: guide_steps(guided, window),
            "replay": ring(spec, capacity),
        },
        stages=(
            for_updates(offline, guide),
            Stage((lived, remember("episodes", "replay"), curriculum, Repeat(learn, length))),
        ),
        acts=both(mode_of("actor")),
        optimizer=optax.adam(lr),
    )


SHARED = {
    "width": 32,
    "batch": 64,
    "members": 2,
    "updates": 4,
    "offline": 1_000,
    "length": 30,
    "shorten": 5,
    "window": 3,
}
SHARED |= {"capacity": 4_000, "rate": 0.02, "discount": 0.97, "temperature": 0.05, "lr": 3e-3}
ARMS = {
    "jsrl": (jsrl, {**SHARED, "guided": 30}),
    "guide": (jsrl, {**SHARED, "guided": 10_000, "shorten": 1}),
    "alone": (jsrl, {**SHARED, "guided": 0}),
}
STEPS = 2_400


def measure(seeds: Sequence[int]) -> Measured:
    """Share of episodes that reach the goal of a bent maze, over the whole curve of 2,400 steps in it.

    The guide is learned from 150 steps of noisy walks. In one arm it gives way, in one it acts to the end of every
    episode, and in one the same learner has none.
    """
    source = walks(BEND, Walker(1.0, 150))
    source = replace(source, place=replace(source.place, environments=2))
    return curve_returns(ARMS, source, steps=STEPS, seeds=seeds, evaluations=10)


CLAIM = Claim(
    recipe="jsrl",
    statement=(
        "Where reward is rare, a learner that a guide from little data jump-starts reaches the goal in more of its episodes "
        "over the whole curve than the same learner alone, and than the guide."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(greater("jsrl", "alone"), greater("jsrl", "guide")),
    unit="share of episodes at the goal, over the curve (point maze)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={arm: [f"lr={lr:g} temperature={t:g}" for lr in (1e-3, 3e-3) for t in (0.05, 0.5)] for arm in ARMS},
    seeds=8,
    notes=(
        "A point in a maze for the paper's ants, hands and robot arms. What is measured is the policy as it stands, the guide's "
        "part included, which shrinks from 30 steps, the length of an episode, by 5. The four settings were tried on seeds 0 and "
        "1; one was the best of the jump-started learner (0.63; the others 0.34, 0.27 and 0.06), the learner alone never came to "
        "the goal with any, and the guide earned 0.50 and 0.28 at the two rates. On the sparse Mountain Car, tried before, no "
        "learner learned."
    ),
)
