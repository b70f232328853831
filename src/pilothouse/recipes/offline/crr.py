"""Critic-regularised regression (CRR): clone those of the data's actions that the critic finds better than one's own.

The critic evaluates the policy at its own draws; the actor clones the data, weighed by a function of the advantage: 1 or
0 by its sign, or its exponential, which is never more than `limit`.

Source: Wang et al., "Critic Regularized Regression", arXiv:2006.15134.
Departures: 1. The critics are twins of expected values, where the paper has one of a distribution. 2. The actor is a
Gaussian whose deviation depends on the state, where the paper has a mixture. 3. Slow copies follow a little after every
update; the paper's are replaced every hundred. 4. Acting is the likeliest action; resampling by the critic is left out.
5. The losses of an update see the parts from before it.
"""

from typing import Literal

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.actors import gaussian_actor
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.sampled_actions import binary_weights, clone_by_drawn, exponential_weights, td_at_drawn
from pilothouse.policies.policy import mode_of


@recipe("crr", takes=Takes(source="data"))
def crr(
    spec: Spec,
    *,
    weights: Literal["exp", "binary", "binary-max"] = "exp",
    temperature: Positive = 1.0,
    limit: Positive = 20.0,
    samples: Count = 4,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    binary = binary_weights("max" if weights == "binary-max" else "mean")
    weigh = exponential_weights(temperature, limit) if weights == "exp" else binary
    fit = Fit(
        (
            Objective(td_at_drawn(actor="actor/slow"), ("critic",)),
            Objective(clone_by_drawn(weigh, samples), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate), follow("actor", "actor/slow", rate)),
    )
    return Algorithm.of(
        parts={
            "actor": gaussian_actor(spec, width, depth, deviation="observed"),
            "actor/slow": copy_of("actor"),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
        },
        cycle=(fit,),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
