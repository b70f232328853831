"""Proximal policy optimisation (PPO): several epochs on one rollout, with the policy's ratio clipped.

Collect a rollout, estimate advantages by GAE, then sweep over it in minibatches: the clipped surrogate, the value's
squared error, and an entropy bonus, in one loss over separate trunks of policy and value.

Source: Schulman et al., "Proximal Policy Optimization Algorithms", arXiv:1707.06347.
Departures: 1. Advantages are normalised within each minibatch and gradients clipped at norm 0.5, as every public
implementation does and the paper does not say. 2. The learning rate is constant. 3. A time limit bootstraps from the
true next observation.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import advantages
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Sweep
from pilothouse.networks.actors import actor_and_value
from pilothouse.objectives.terms import clipped, evaluate, negative_entropy, squared_value_error, terms
from pilothouse.policies.actor_critic import agent_mode, agent_sampled


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
) -> Algorithm:
    loss = terms(
        evaluate("agent"), (clipped(clip), 1.0), (squared_value_error, value), (negative_entropy, entropy), name="ppo"
    )
    return Algorithm.of(
        parts={"agent": actor_and_value(spec, width, depth)},
        cycle=(
            Collect("rollout", length, agent_sampled("agent")),
            advantages(discount, lam),
            Fit((Objective(loss, ("agent",)),), Sweep("rollout", minibatches, epochs)),
        ),
        acts=agent_mode("agent"),
        optimizer=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(lr)),
    )
