"""Proximal policy optimisation (PPO): several epochs on one rollout, with the policy's ratio clipped.

Collect a rollout, estimate advantages by GAE, then sweep over it in minibatches: the clipped surrogate, the value's
squared error, and an entropy bonus, in one loss over separate trunks of policy and value. With `memory` units the agent is
recurrent and learns from whole segments, begun from the memory that it acted with; with `standardise` it sees its
observations less their mean over their deviation, counted up as they come.

Source: Schulman et al., "Proximal Policy Optimization Algorithms", arXiv:1707.06347.
Departures: 1. Advantages are normalised within each minibatch and gradients clipped at norm 0.5, as every public
implementation does and the paper does not say. 2. The learning rate is constant. 3. A time limit bootstraps from the
true next observation.
"""

from collections.abc import Sequence

import numpy as np
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import advantages, observe, value_after_memory
from pilothouse.algorithm.settings import Count, Fraction, Natural, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Sweep
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.recurrent import recurrent_actor_and_value
from pilothouse.networks.standardise import standardised
from pilothouse.objectives.terms import (
    clipped,
    evaluate,
    evaluate_segments,
    negative_entropy,
    squared_value_error,
    terms,
)
from pilothouse.policies.actor_critic import agent_mode, agent_sampled, recurrent_mode, recurrent_sampled
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn


@recipe("ppo", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def ppo(
    spec: Spec,
    *,
    clip: Positive = 0.2,
    entropy: NotNegative = 0.0,
    value: NotNegative = 0.5,
    discount: Fraction = 0.99,
    lam: Fraction = 0.95,
    lr: Positive = 3e-4,
    length: Count = 128,
    epochs: Count = 4,
    minibatches: Count = 4,
    width: Count = 64,
    depth: Count = 2,
    memory: Natural = 0,
    standardise: bool = False,
) -> Algorithm:
    recalls = memory > 0
    agent = recurrent_actor_and_value(spec, width, memory) if recalls else actor_and_value(spec, width, depth)
    surrogate = ((clipped(clip), 1.0), (squared_value_error, value), (negative_entropy, entropy))
    loss = terms(evaluate_segments("agent") if recalls else evaluate("agent"), *surrogate, name="ppo")
    cycle = (
        Collect("rollout", length, recurrent_sampled("agent") if recalls else agent_sampled("agent")),
        advantages(discount, lam, value_after=value_after_memory() if recalls else None),
        Fit((Objective(loss, ("agent",)),), Sweep("rollout", minibatches, epochs, whole=recalls)),
    )
    return Algorithm.of(
        parts={"agent": standardised(spec, agent) if standardise else agent},
        cycle=(*cycle, observe("agent")) if standardise else cycle,
        acts=recurrent_mode("agent") if recalls else agent_mode("agent"),
        optimizer=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(lr)),
    )


ARMS = {
    "ppo": {"lr": 3e-3},
    "unclipped": {"lr": 1e-3, "clip": 1e6},
    "one epoch": {"lr": 3e-3, "epochs": 1, "minibatches": 1},
}
STEPS, LOOKS = 60_000, 6


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return of the likeliest action over a run on CartPole: six looks of 20 held-out episodes, 10,000 steps apart."""
    values, diverged = {}, {}
    for arm, settings in ARMS.items():
        run = learn(ppo(**settings), world_source("cartpole"), steps=STEPS, seeds=seeds, evaluations=LOOKS)
        looks = [look.returns.mean(axis=1) for look in run.looks if look.returns is not None]
        values[arm], diverged[arm] = np.mean(looks, axis=0), run.diverged()
    return Measured(values, diverged)


RATES = (3e-4, 1e-3, 3e-3)
CLAIM = Claim(
    recipe="ppo",
    statement=(
        "With the clipped ratio, several epochs on one rollout learn more from the same experience than one epoch, "
        "and than several epochs without clipping."
    ),
    basis="paper",
    source="paper",
    measure=measure,
    relations=(greater("ppo", "unclipped"), greater("ppo", "one epoch")),
    unit="return over the run (CartPole, 60,000 steps)",
    settings=ARMS,
    tried={arm: [f"lr={rate:g}" for rate in RATES] for arm in ARMS},
    seeds=8,
    notes="Learning rates were chosen for each arm on seeds 0 to 3, by the same number. The paper's tasks are MuJoCo's.",
)
