"""Upside-down reinforcement learning with trees: policies that obey commands, and can be read.

Keep the best episodes. Learn from their steps, by plain classification, which action was taken in this state by one who
went on to earn so much in so many steps; then ask for a little more than the best, keep what comes of it, and learn again.
The classifier is a forest, whose own account of what it splits on says what the policy goes by.

Source: Cardenas-Cartagena, Falzari, Zullich and Sabatelli, "Upside-Down Reinforcement Learning for More Interpretable
Optimal Control", arXiv:2411.11457, by its abstract and the authors' code (vimmoos/upside_down_rl), whose settings are the
defaults.
Departures: 1. As many episodes as there are environments are collected between two fits (15 there), and a forest is grown
once between them; theirs is grown a hundred times, each time from nothing, on other draws, and the last one acts.
2. A policy of ours is shown no reward: the return still to be earned falls by the mean reward of a step in the archive,
which on CartPole and Acrobot is the reward. 3. When measured, without stray choices, it is ordered what it is ordered when
it tries, of which there are examples; the authors order the highest return that the task has. 4. Of their learners there are
the two forests and the network, which is updated on `batch` rows at a time as theirs is.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage, Step
from pilothouse.algorithm.upside_down import archived, grow, no_orders
from pilothouse.core.aliases import Initialise
from pilothouse.core.spaces import Spec
from pilothouse.data.episode_archive import Obeyed, episode_archive
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, not_worse
from pilothouse.networks.commanded import COMMAND, gated, unguided
from pilothouse.objectives.cloning import clone_commanded
from pilothouse.policies.commanded import Commanded
from pilothouse.policies.policy import uniform_over
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole


@recipe("udrl-trees", takes=Takes(source="world", action=("Discrete",), obs=("Box",)))
def udrl_trees(
    spec: Spec,
    *,
    learner: Literal["random forest", "extra trees", "network"] = "random forest",
    trees: Count = 100,
    epsilon: Fraction = 0.2,
    batch: Count = 700,
    capacity: Count = 700,
    recent: Count = 75,
    length: Count = 200,
    warmup: Count = 4,
    updates: Count = 100,
    width: Count = 64,
    depth: Count = 3,
    lr: Positive = 1e-3,
) -> Algorithm:
    """`length`: the longest episode; `capacity`: episodes that are kept, `recent` of which orders are made by; `epsilon`:
    a forest's share of random choices (a network draws). `updates`, `width`, `depth` and `lr` are the network's."""
    draws = learner == "network"
    parts: dict[str, Initialise] = {"archive": episode_archive(spec, capacity, length), "orders": no_orders}
    if draws:
        parts["behaviour"] = gated(spec, width, depth)
        learn: Step = Fit((Objective(clone_commanded, ("behaviour",)),), Obeyed("archive", batch), times=updates)
    else:
        parts["behaviour"] = unguided(spec, trees, 2 * batch - 1)
        parts["importance"] = lambda key: np.zeros(spec.obs.size + COMMAND, np.float32)
        learn = grow(spec, learner, trees=trees, batch=batch)

    def tries(parts: Any) -> Commanded:
        return Commanded(parts["behaviour"], parts["orders"], 0.0 if draws else epsilon, draws)

    def acts(parts: Any) -> Commanded:
        return Commanded(parts["behaviour"], parts["orders"])

    keep = archived(recent=recent)
    return Algorithm(
        parts=parts,
        stages=(
            Stage((Collect("rollout", length, uniform_over(spec.action), fresh=True), keep), cycles=warmup),
            Stage((learn, Collect("rollout", length, tries, fresh=True), keep)),
        ),
        acts=acts,
        optimizer=optax.adam(lr),
    )


PLACE = WorldSource("cartpole", CartPole(horizon=200), 16)
CYCLES = 40
"""Cycles of sixteen episodes each, after those at random."""
SHARED = {"batch": 500, "capacity": 64, "recent": 16, "length": 200, "warmup": 4}
ARMS = {
    "random forest": {"learner": "random forest", "trees": 20},
    "extra trees": {"learner": "extra trees", "trees": 20},
    "network": {"learner": "network", "lr": 1e-3},
}


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return of each learner's policy in the end, and what the forests say they go by: the pole's numbers or the cart's."""
    values, diverged = {}, {}
    for arm, settings in ARMS.items():
        run = learn(udrl_trees(**SHARED, **settings), PLACE, steps=(CYCLES + SHARED["warmup"]) * 3_200, seeds=seeds)
        values[arm], diverged[arm] = run.final_returns().mean(axis=1), run.diverged()
        if "importance" in run.machine.state.parts:
            share = np.asarray(run.machine.state.parts["importance"])
            for name, columns in (("cart", slice(0, 2)), ("pole", slice(2, 4)), ("command", slice(4, 6))):
                values[f"{name}, {arm}"] = share[:, columns].sum(axis=1)
    return Measured(values, diverged)


MARGIN = 20.0
CLAIM = Claim(
    recipe="udrl-trees",
    statement=(
        "Told what to earn in how many steps, forests of trees earn as much as a network under the same loop, and say of "
        "themselves that they go by the pole rather than by the cart."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        not_worse("random forest", "network", margin=MARGIN),
        not_worse("extra trees", "network", margin=MARGIN),
        greater("pole, random forest", "cart, random forest"),
        greater("pole, extra trees", "cart, extra trees"),
    ),
    unit={
        **dict.fromkeys(ARMS, "return (CartPole of 200 steps)"),
        **{
            f"{name}, {arm}": "share of the fall in impurity"
            for name in ("cart", "pole", "command")
            for arm in ("random forest", "extra trees")
        },
    },
    settings={"cycles": CYCLES, "episodes a cycle": PLACE.environments, **SHARED, **ARMS},
    tried={
        **{
            arm: ["ordered, when measured, what the best episode earned", "ordered what it is ordered when it tries"]
            for arm in ("random forest", "extra trees")
        },
        "network": ["lr=0.001", "lr=0.003"],
    },
    seeds=8,
    notes=(
        "640 episodes after 64 at random, where the authors have 7,500: nobody is at the task's highest return yet. Chosen "
        "on seeds 0 to 3 (the network's rate on 0 and 1): with the best episode's return for an order, which hardly any "
        "example had, forests now and then fell over at once. The margin is a tenth of the highest return. An archive of 64 "
        "episodes in place of 700 is for the smaller budget: 700 would keep everything."
    ),
)
