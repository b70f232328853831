"""On-policy reinforcement learning with the optimal reward baseline (OPO): the plain gradient, with less variance.

Several completions of each prompt are drawn, and one exactly on-policy step is taken on them: log-probability times
advantage, without ratio, clip, divergence or entropy bonus. The advantage is the reward less the baseline of least
variance, which for gradients of equal size for every token is the group's mean reward weighed by length.

Source: Hao et al., "On-Policy RL with Optimal Reward Baseline", arXiv:2505.23585.
Departures: 1. There is no pretrained model at hand: `pretraining` updates first clone the answers of the prompts.
2. The sum over tokens is divided by the number of tokens in the batch, a constant of the batch, in place of the number of
completions.
"""

from collections.abc import Sequence

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import in_turn
from pilothouse.algorithm.settings import Count, Natural, Positive
from pilothouse.algorithm.steps import Algorithm, Rule
from pilothouse.algorithm.text_groups import from_groups
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.objectives.group_advantages import (
    less_group_mean,
    less_length_weighted_mean,
    mean_over_tokens,
    mean_over_tokens_then_sequences,
    over_group_deviation,
)
from pilothouse.objectives.terms import likelihood_weighted, negative_entropy, terms
from pilothouse.objectives.tokens import evaluate_tokens
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.registry import world

# The entropy is watched and never weighs.
PLAIN = terms(evaluate_tokens("policy"), (likelihood_weighted, 1.0), (negative_entropy, 0.0), name="policy gradient")


@recipe("opo", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def opo(
    spec: Spec,
    *,
    lr: Positive = 1e-4,
    prompts: Count = 8,
    tries: Count = 8,
    pretraining: Natural = 300,
    width: Count = 128,
    layers: Count = 4,
) -> Algorithm:
    compare = in_turn(less_length_weighted_mean(tries), mean_over_tokens)
    return from_groups(
        spec,
        PLAIN,
        compare,
        lr=lr,
        prompts=prompts,
        tries=tries,
        pretraining=pretraining,
        width=width,
        layers=layers,
    )


SIZES = {"prompts": 16, "tries": 8, "pretraining": 200, "width": 32, "layers": 2}
RULES: dict[str, Rule] = {
    "opo": in_turn(less_length_weighted_mean(SIZES["tries"]), mean_over_tokens),
    "grpo": in_turn(
        less_group_mean(SIZES["tries"]), over_group_deviation(SIZES["tries"]), mean_over_tokens_then_sequences
    ),
}
ARMS = {"opo": {"lr": 1e-3}, "grpo": {"lr": 1e-3}}
UPDATES, LOOKS = 600, 5


def measure(seeds: Sequence[int]) -> Measured:
    """Sums of two digits: success of the completions drawn in the last fifth of the updates, and their entropy then."""
    source = WorldSource("arithmetic", world("arithmetic", digits=1, operations="+"))
    values, diverged = {}, {}
    for arm, settings in ARMS.items():
        made = from_groups(source.spec, PLAIN, RULES[arm], **settings, **SIZES)  # pyright: ignore[reportArgumentType]
        run = learn(made, source, steps=SIZES["pretraining"] + UPDATES, seeds=seeds, episodes=0, evaluations=LOOKS)
        last = [look.metrics for look in run.looks if look.step > SIZES["pretraining"] + UPDATES * (1 - 1 / LOOKS)]
        values[f"{arm} success"] = np.mean([metrics["episode/return"] for metrics in last], axis=0)
        values[f"{arm} entropy"] = np.mean([metrics["policy/entropy"] for metrics in last], axis=0)
        diverged[f"{arm} success"] = run.diverged()
    return Measured(values, diverged)


RATES = (3e-4, 1e-3, 3e-3)
CLAIM = Claim(
    recipe="opo",
    statement=(
        "With the length-weighted baseline, exactly on-policy, completions succeed more often than with GRPO's normalised "
        "advantages, and stay more varied."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(greater("opo success", "grpo success"), greater("opo entropy", "grpo entropy")),
    unit={
        **{f"{arm} success": "share of completions that are right" for arm in ARMS},
        **{f"{arm} entropy": "nats a token" for arm in ARMS},
    },
    settings={arm: {**settings, **SIZES} for arm, settings in ARMS.items()},
    tried={arm: [f"lr={rate:g}" for rate in RATES] for arm in ARMS},
    seeds=8,
    notes=(
        "A transformer of two layers on sums of two digits stands for a large model on mathematics. Both arms take one "
        "on-policy step per batch and differ in advantage and token weights alone. Rates were chosen on seeds 0 to 2."
    ),
)
