"""Group relative policy optimisation (GRPO): a completion is worth what it earns beyond its group.

Several completions of each prompt are drawn and verified; a completion's advantage is its reward less the group's
mean, over the group's deviation, for every one of its tokens; the clipped surrogate moves the policy, held to a
reference by an estimate of their divergence.

Source: Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
arXiv:2402.03300.
Departures: 1. There is no pretrained model at hand: `pretraining` updates first clone the answers of the prompts, and
the reference is what they end with. 2. Advantages follow the outcome form only, not the process form.
"""

import optax

from pilothouse.algorithm.prompts import draw_prompts
from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import copy, in_turn
from pilothouse.algorithm.settings import Count, Natural, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Spec, Tokens
from pilothouse.data.batches import Sweep, Uniform
from pilothouse.networks.transformer import TransformerConfig, transformer
from pilothouse.objectives.group_advantages import (
    less_group_mean,
    mean_over_tokens_then_sequences,
    over_group_deviation,
)
from pilothouse.objectives.terms import clipped, terms
from pilothouse.objectives.tokens import clone_answers, evaluate_tokens, k3_to_beside
from pilothouse.policies.language import greedy_text, sampled_text


@recipe("grpo", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def grpo(
    spec: Spec,
    *,
    clip: Positive = 0.2,
    beta: NotNegative = 0.04,
    lr: Positive = 1e-4,
    prompts: Count = 8,
    tries: Count = 8,
    epochs: Count = 1,
    pretraining: Natural = 300,
    width: Count = 128,
    layers: Count = 4,
) -> Algorithm:
    if not isinstance(spec.action, Tokens):
        raise SpaceError(f"GRPO writes tokens, and this source has {spec.action.kind} actions. Give a text world.")
    longest = spec.action.longest
    model = transformer(TransformerConfig(spec.action.vocabulary, width, layers, feedforward=4 * width))
    forward = evaluate_tokens("policy", beside="ref")
    loss = terms(forward, (clipped(clip, normalise=False), 1.0), (k3_to_beside, beta), name="grpo")
    imitate = Fit((Objective(clone_answers, ("policy",)),), Uniform("prompts", 64))
    before = (Stage((imitate,), pretraining, optax.adam(1e-3)), Stage((copy("policy", "ref"),), 1))
    write = Collect(
        "rollout",
        longest,
        sampled_text("policy", longest),
        task=draw_prompts(prompts, tries),
        fresh=True,
        environments=prompts * tries,
    )
    compare = in_turn(less_group_mean(tries), over_group_deviation(tries), mean_over_tokens_then_sequences)
    learn = Fit((Objective(loss, ("policy",)),), Sweep("rollout", 1, epochs, whole=True))
    after = Stage((write, compare, learn), optimizer=optax.adam(lr))
    return Algorithm(
        parts={"policy": model, "ref": copy_of("policy")},
        stages=(*before, after) if pretraining else (after,),
        acts=greedy_text("policy", longest),
        optimizer=optax.adam(lr),
    )
