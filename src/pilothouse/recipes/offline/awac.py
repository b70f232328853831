"""Advantage-weighted actor-critic (AWAC): clone the data's actions, each weighed by how much better than one's own it is.

Twin critics evaluate the policy itself, at actions that it draws; the actor clones the data with weights that grow
exponentially with the advantage over its own draws, and so never leaves the actions that the data hold.

Source: Nair, Gupta, Dalal and Levine, "AWAC: Accelerating Online Reinforcement Learning with Offline Datasets",
arXiv:2006.09359.
Departures: 1. The losses of an update see the parts from before it. 2. A draw outside the bounds is moved to them before
it is valued. d3rlpy's AWAC differs in two ways and we follow the paper: its targets count the policy's entropy at
temperature 1, and draw from a squashed normal where the actor that clones is a plain one.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.actors import gaussian_actor
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.sampled_actions import clone_by_drawn, softmax_weights, td_at_drawn
from pilothouse.policies.policy import mode_of

DEVIATIONS = (-6.0, 0.0)
"""Bounds of the log standard deviation, as the authors' code has them."""


@recipe("awac", takes=Takes(source="data"))
def awac(
    spec: Spec,
    *,
    temperature: Positive = 1.0,
    samples: Count = 1,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 1024,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    fit = Fit(
        (
            Objective(td_at_drawn(), ("critic",)),
            Objective(clone_by_drawn(softmax_weights(temperature), samples), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm.of(
        parts={
            "actor": gaussian_actor(spec, width, depth, bounds=DEVIATIONS),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
        },
        cycle=(fit,),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
