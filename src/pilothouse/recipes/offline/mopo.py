"""MOPO: model-based offline policy optimisation, where imagined rewards are less the model's own uncertainty.

An ensemble of Gaussian models of the world is learned from the data once. SAC then learns from a little data and much
that its policy does in the model, in short stretches that begin at the data's observations; each imagined reward is less
`penalty` times the largest norm of a member's deviations, so that the policy keeps to where the model knows.

Source: Yu et al., "MOPO: Model-based Offline Policy Optimization", arXiv:2005.13239.
Departures: 1. Whether a step terminates is learned (a logit); theirs is known for each task. 2. Members see the same
batches and differ by their first weights; theirs see resampled data. 3. The model is learned for a set number of updates,
by Adam without weight decay; theirs until the error on rows kept back stops falling. 4. Dense layers are rectified, not
swish; the temperature's target entropy is minus the action's entries, not -3.
"""

import optax

from pilothouse.algorithm.model_based import imagine, learn_model, model_parts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Mixed, Uniform
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import soft_td
from pilothouse.policies.policy import mode_of


@recipe("mopo", takes=Takes(source="data", obs=("Box",)))
def mopo(
    spec: Spec,
    *,
    penalty: NotNegative = 1.0,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    model_lr: Positive = 1e-3,
    batch: Count = 256,
    real: Count = 13,
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
    real = min(real, batch - 1)
    fit = Fit(
        (
            Objective(soft_td, ("critic",)),
            Objective(soft_policy, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        ),
        Mixed((Uniform("data", real, discount), Uniform("imagined", batch - real, discount))),
        times=block,
        after=(follow("critic", "critic/slow", rate),),
    )
    models = model_parts(spec, members=members, elites=elites, width=width, depth=depth, capacity=capacity)
    think = imagine(spec, steps=length, rollouts=rollouts, capacity=capacity, penalty=penalty)
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
