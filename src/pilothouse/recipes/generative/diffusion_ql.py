"""Diffusion-QL: a diffusion policy that imitates the data, led towards value through its whole denoising chain.

The critic is TD3's with the chain's own action in the target. The actor predicts noise, as cloning by diffusion does, and
climbs the critic by the gradient through every step of the chain, so that an update costs as many passes as it has steps.

Source: Wang, Hunt and Zhou, "Diffusion Policies as an Expressive Policy Class for Offline Reinforcement Learning",
arXiv:2208.06193.
Departures: 1. The schedule is IDQL's, and the noisy action is clipped at each step, not the clean one that it implies.
2. Slow copies follow at every update, by one rate. 3. No maximum over next actions. 4. All losses of an update see the
parts from before it.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.critics import twin_critic
from pilothouse.networks.generative import denoising_actor
from pilothouse.objectives.generated import chain_policy, generated_td
from pilothouse.policies.best_of import drawn_by_value


@recipe("diffusion-ql", takes=Takes(source="data"))
def diffusion_ql(
    spec: Spec,
    *,
    alpha: NotNegative = 1.0,
    candidates: Count = 50,
    sharpness: NotNegative = 1.0,
    steps: Count = 5,
    blocks: Count = 2,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
) -> Algorithm:
    fit = Fit(
        (
            Objective(generated_td(lambda parts: parts["actor/slow"]), ("critic",)),
            Objective(chain_policy(alpha), ("actor",)),
        ),
        Uniform("data", batch, discount),
        after=(follow("critic", "critic/slow", rate), follow("actor", "actor/slow", rate)),
    )
    return Algorithm.of(
        parts={
            "actor": denoising_actor(spec, width, blocks, steps, dropout=0.0),
            "actor/slow": copy_of("actor"),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
        },
        cycle=(fit,),
        acts=drawn_by_value(lambda parts: parts["actor"], "critic/slow", candidates, sharpness),
        optimizer=optax.adam(lr),
    )
