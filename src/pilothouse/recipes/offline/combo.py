"""COMBO: conservative offline model-based policy optimisation, where values are pressed down on what the model imagines.

An ensemble of models of the world is learned from the data once, as in MOPO. The critic then learns from data and imagined
rows alike, with no estimate of the model's uncertainty: instead its values are pressed down at imagined observations and
raised at the data.

Source: Yu et al., "COMBO: Conservative Offline Model-Based Policy Optimization", arXiv:2102.08363.
Departures: 1. Whether a step terminates is learned (a logit); theirs is known for each task. 2. Members see the same
batches and differ by their first weights; theirs see resampled data. 3. The model is learned for a set number of updates.
4. Half of each batch is data (the paper tries 0.5 and 0.8). 5. No entropy is counted in the critic's target.
"""

import optax

from pilothouse.algorithm.model_based import imagine, learn_model, model_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Both, Uniform
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.imagined import conservative_on_imagined, on_both
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.policies.policy import mode_of


@recipe("combo", takes=Takes(source="data", obs=("Box",)))
def combo(
    spec: Spec,
    *,
    beta: NotNegative = 1.0,
    samples: Count = 10,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    model_lr: Positive = 1e-3,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    members: Count = 7,
    elites: Count = 5,
    pretraining: Count = 20_000,
    length: Count = 5,
    rollouts: Count = 1_000,
    block: Count = 250,
    capacity: Count = 100_000,
) -> Algorithm:
    half = max(batch // 2, 1)
    fit = Fit(
        (
            Objective(conservative_on_imagined(beta, samples), ("critic",)),
            Objective(on_both(soft_policy), ("actor",)),
            Objective(on_both(entropy_towards(-float(spec.action.size))), ("log_alpha",)),
        ),
        Both({"data": Uniform("data", half, discount), "imagined": Uniform("imagined", half, discount)}),
        times=block,
        after=(follow("critic", "critic/slow", rate),),
    )
    models = model_parts(spec, members=members, elites=elites, width=width, depth=depth, capacity=capacity)
    think = imagine(spec, steps=length, rollouts=rollouts, capacity=capacity)
    names = ("actor", "critic", "log_alpha")
    return Algorithm(
        parts={
            **models,
            "actor": squashed_gaussian(spec, width, depth),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "log_alpha": scalar(0.0),
        },
        stages=(*learn_model(pretraining, batch), Stage((think, fit))),
        acts=mode_of("actor"),
        optimizer={"model": optax.adam(model_lr), "ending": optax.adam(model_lr)}
        | dict.fromkeys(names, optax.adam(lr)),
    )
