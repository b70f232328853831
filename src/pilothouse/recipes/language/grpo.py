"""Group relative policy optimisation (GRPO): a completion is worth what it earns beyond its group.

Several completions of each prompt are drawn and verified; a completion's advantage is its reward less the group's
mean, over the group's deviation, for every one of its tokens; the clipped surrogate moves the policy, held to a
reference by an estimate of their divergence.

Source: Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
arXiv:2402.03300.
Departures: 1. There is no pretrained model at hand: `pretraining` updates first clone the answers of the prompts, and
the reference is what they end with. 2. Advantages follow the outcome form only, not the process form.
"""

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import in_turn
from pilothouse.algorithm.settings import Count, Natural, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm
from pilothouse.algorithm.text_groups import from_groups
from pilothouse.core.spaces import Spec
from pilothouse.objectives.group_advantages import (
    less_group_mean,
    mean_over_tokens_then_sequences,
    over_group_deviation,
)
from pilothouse.objectives.terms import clipped, terms
from pilothouse.objectives.tokens import evaluate_tokens, k3_to_beside


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
    forward = evaluate_tokens("policy", beside="ref")
    loss = terms(forward, (clipped(clip, normalise=False), 1.0), (k3_to_beside, beta), name="grpo")
    return from_groups(
        spec,
        loss,
        in_turn(less_group_mean(tries), over_group_deviation(tries), mean_over_tokens_then_sequences),
        lr=lr,
        prompts=prompts,
        tries=tries,
        pretraining=pretraining,
        width=width,
        layers=layers,
        epochs=epochs,
        reference=True,
    )
