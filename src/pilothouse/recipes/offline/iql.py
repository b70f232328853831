"""Implicit Q-learning (IQL): offline learning that never evaluates an action outside the data.

A state value is moved to an upper expectile of the action values in the data; action values bootstrap from it; the
actor clones the data's actions, each weighed by the exponential of its advantage.

Source: Kostrikov, Nair and Levine, "Offline Reinforcement Learning with Implicit Q-Learning", arXiv:2110.06169.
Departures: 1. The three losses of an update see the parts from before it; the authors' code moves the value first.
2. The actor's learning rate is constant; the authors anneal it by a cosine over the run.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.actors import gaussian_actor
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.objectives.cloning import clone_by_advantage
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.temporal_difference import q_on_value
from pilothouse.policies.policy import mode_of


@recipe("iql", takes=Takes(source="data"))
def iql(
    spec: Spec,
    *,
    expectile: Fraction = 0.7,
    sharpness: Positive = 3.0,
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
            Objective(clone_by_advantage(sharpness), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm.of(
        parts={
            "actor": gaussian_actor(spec, width, depth),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "value": state_value(spec, width, depth),
        },
        cycle=(fit,),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
