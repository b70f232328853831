"""Percent behaviour cloning (%BC): clone the best of the data.

Behaviour cloning on the share of the transitions that lie in the episodes with the highest returns. What a method makes
of rewards beyond choosing among whole episodes shows beside it.

Source: Chen et al., "Decision Transformer", arXiv:2106.01345, section 5.1.
Departures: 1. The list of rows by return is made anew every `block` updates, from data that do not change: it is no part
and is in no checkpoint. Learning goes on in whole blocks.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Rule
from pilothouse.core.spaces import Spec
from pilothouse.data.best_episodes import FromBest, listed_by_return
from pilothouse.networks.actors import actor
from pilothouse.objectives.cloning import clone
from pilothouse.policies.policy import mode_of


@recipe("percent-bc", takes=Takes(source="data", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def percent_bc(
    spec: Spec,
    *,
    share: Fraction = 0.1,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    block: Count = 100,
) -> Algorithm:
    listed = Rule(listed_by_return("data", "order"), ("order",), name="list by return")
    fit = Fit((Objective(clone, ("actor",)),), FromBest("data", "order", share, batch), times=block)
    return Algorithm.of(
        parts={"actor": actor(spec, width, depth)},
        cycle=(listed, fit),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )
