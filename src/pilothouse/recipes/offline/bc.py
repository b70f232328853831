"""Behaviour cloning (BC): do what the data did.

Maximum likelihood of the data's actions given their observations. The baseline of everything offline: a method that
does not beat it has learned nothing from the rewards.

Source: Pomerleau, "ALVINN: An Autonomous Land Vehicle in a Neural Network", NeurIPS 1988.
Departures: none; for Box actions the likelihood is a Gaussian's, whose standard deviation is a free parameter.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.actors import actor
from pilothouse.objectives.cloning import clone
from pilothouse.policies.policy import mode_of


@recipe("bc", takes=Takes(source="data", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def bc(spec: Spec, *, lr: Positive = 3e-4, batch: Count = 256, width: Count = 256, depth: Count = 2) -> Algorithm:
    fit = Fit((Objective(clone, ("actor",)),), Uniform("data", batch))
    return Algorithm.of(
        parts={"actor": actor(spec, width, depth)}, cycle=(fit,), acts=mode_of("actor"), optimizer=optax.adam(lr)
    )
