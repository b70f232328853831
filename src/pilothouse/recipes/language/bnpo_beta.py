"""Beta normalisation policy optimisation (BNPO): advantages over a density that is fitted anew every step.

For rewards of 0 or 1, a completion's advantage is its reward less its prompt's rate of success, over the density at that
rate of a Beta distribution, fitted by moments to the rates of the batch. One normalisation of GRPO's kind and none at all
are two of its values; fitted, it is the one of least variance.

Source: Xiao, Zhang and Cao, "BNPO: Beta Normalization Policy Optimization", arXiv:2506.02864.
Departures: 1. There is no pretrained model at hand: `pretraining` updates first clone the answers of the prompts. 2. One
reward; the decomposition of several is left out. 3. Where the rates of a batch fit no Beta distribution (all equal, or
all 0 and 1), nothing is divided by.
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
    mean_over_tokens_then_sequences,
    over_beta_density,
    over_group_deviation,
)
from pilothouse.objectives.terms import clipped, terms
from pilothouse.objectives.tokens import evaluate_tokens
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.registry import world


@recipe("bnpo-beta", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def bnpo_beta(
    spec: Spec,
    *,
    clip: Positive = 0.2,
    lr: Positive = 1e-4,
    prompts: Count = 8,
    tries: Count = 8,
    epochs: Count = 1,
    pretraining: Natural = 300,
    width: Count = 128,
    layers: Count = 4,
) -> Algorithm:
    loss = terms(evaluate_tokens("policy"), (clipped(clip, normalise=False), 1.0), name="bnpo")
    compare = in_turn(less_group_mean(tries), over_beta_density(tries), mean_over_tokens_then_sequences)
    return from_groups(
        spec,
        loss,
        compare,
        lr=lr,
        prompts=prompts,
        tries=tries,
        pretraining=pretraining,
        width=width,
        layers=layers,
        epochs=epochs,
    )


SIZES = {"prompts": 16, "tries": 8, "pretraining": 200, "width": 32, "layers": 2}
CENTRED = less_group_mean(SIZES["tries"])
RULES: dict[str, Rule] = {
    "bnpo": in_turn(CENTRED, over_beta_density(SIZES["tries"]), mean_over_tokens_then_sequences),
    "grpo": in_turn(CENTRED, over_group_deviation(SIZES["tries"]), mean_over_tokens_then_sequences),
    "reinforce": in_turn(CENTRED, mean_over_tokens_then_sequences),
}
ARMS = {"bnpo": {"lr": 1e-3}, "grpo": {"lr": 1e-3}, "reinforce": {"lr": 1e-3}}
UPDATES, LOOKS = 600, 5


def measure(seeds: Sequence[int]) -> Measured:
    """Sums of two digits: success of the completions drawn, mean over the second half of the updates."""
    source = WorldSource("arithmetic", world("arithmetic", digits=1, operations="+"))
    loss = terms(evaluate_tokens("policy"), (clipped(0.2, normalise=False), 1.0), name="bnpo")
    values, diverged = {}, {}
    for arm, settings in ARMS.items():
        made = from_groups(source.spec, loss, RULES[arm], **settings, **SIZES)  # pyright: ignore[reportArgumentType]
        run = learn(made, source, steps=SIZES["pretraining"] + UPDATES, seeds=seeds, episodes=0, evaluations=LOOKS)
        late = [look.metrics for look in run.looks if look.step > SIZES["pretraining"] + UPDATES / 2]
        values[arm] = np.mean([metrics["episode/return"] for metrics in late], axis=0)
        diverged[arm] = run.diverged()
    return Measured(values, diverged)


RATES = (3e-4, 1e-3, 3e-3)
CLAIM = Claim(
    recipe="bnpo-beta",
    statement="With the fitted normalisation, completions succeed more often than with GRPO's fixed one, and than with none.",
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(greater("bnpo", "grpo"), greater("bnpo", "reinforce")),
    unit="share of completions that are right (second half of the updates)",
    settings={arm: {**settings, **SIZES} for arm, settings in ARMS.items()},
    tried={arm: [f"lr={rate:g}" for rate in RATES] for arm in ARMS},
    seeds=8,
    notes=(
        "A transformer of two layers on sums of two digits stands for a large model on mathematics. The arms differ in "
        "what the advantage is divided by, alone. Rates were chosen on seeds 0 to 2."
    ),
)
