"""Debate-based rewards: a decision earns what can be said for it against others, to a judge who sees a few features.

A judge learns, from which actions were preferred, to compare actions by whatever features it is shown. For each decision
two sides reveal features in turn, one for the action taken and one for another; the judge's leaning at the end is added to
the reward. So a policy is drawn to what can be justified in few words against an opponent who picks words as well.

Source: Sukovic and Radanovic, "Reward Design for Justifiable Sequential Decision-Making", arXiv:2402.15826.
Departures: 1. The debate is solved, by backward induction over what can have been revealed; the paper's debaters are learned by
self-play. 2. Its outcome is twice the judge's probability less one, averaged over all other actions; theirs is a win or a
loss against one drawn action. 3. Preferred is what was done in the data, over any other action, as in the paper's
simulated preferences. 4. Double deep Q-learning without a duelling network. 5. A simulated ward in place of patient records.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Array

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, copy_of
from pilothouse.core.aliases import Parts
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.relabelled import Label, Relabelled
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, not_worse
from pilothouse.evaluate.scripted_treatment import Ward, guideline, treated
from pilothouse.networks.critics import q_network
from pilothouse.networks.mlp import MLP
from pilothouse.objectives.debate import Debate, judging, outcomes
from pilothouse.objectives.temporal_difference import double_dqn_td
from pilothouse.policies.exploration import greedy
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.evaluation import HELD_OUT, in_source_units
from pilothouse.train.session import learn
from pilothouse.train.sources import DataSource, WorldSource


def justified(game: Debate, weight: Any) -> Label:
    """Rewards mixed with what debates about the decisions come to, `weight` of the latter."""

    def label(parts: Parts, rows: Batch) -> Batch:
        debated = jax.lax.stop_gradient(outcomes(game, parts["judge"], rows.obs, rows.action))
        return rows.replace(reward=(1 - weight) * rows.reward + weight * debated)

    return label


@recipe("debate-based-justifiable-rewards", takes=Takes(source="data", action=("Discrete",), obs=("Box",)))
def debate_based_justifiable_rewards(
    spec: Spec,
    *,
    weight: Fraction = 0.5,
    evidence: Count = 2,
    pretraining: Count = 5_000,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 128,
    depth: Count = 2,
) -> Algorithm:
    """`evidence`: features that each side reveals; `pretraining`: updates of the judge before the policy learns."""
    assert isinstance(spec.obs, Box) and isinstance(spec.action, Discrete)
    game, choices = Debate(spec.obs.size, evidence), spec.action.n
    rows = Relabelled(Uniform("data", batch, discount), justified(game, weight))
    return Algorithm(
        parts={
            "judge": lambda key: MLP(2 * game.features, choices, width, depth, key=key),
            "critic": q_network(spec, width, depth),
            "critic/slow": copy_of("critic"),
        },
        stages=(
            for_updates(pretraining, Fit((Objective(judging(game, choices), ("judge",)),), Uniform("data", batch))),
            Stage(
                (Fit((Objective(double_dqn_td(), ("critic",)),), rows, after=(follow("critic", "critic/slow", rate),)),)
            ),
        ),
        acts=greedy("critic"),
        optimizer=optax.adam(lr),
    )


SHARED: dict[str, Any] = {"width": 48, "batch": 64, "lr": 3e-3, "rate": 0.02, "discount": 0.9, "pretraining": 2_000}
ARMS = {
    "debate": {**SHARED, "evidence": 1},
    "full information": {**SHARED, "evidence": 3},
    "reward alone": {**SHARED, "evidence": 1, "weight": 0.0},
}
PATIENTS, UPDATES, EPISODES = 1_000, 6_000, 256


def measure(seeds: Sequence[int]) -> Measured:
    """What each policy earns in the ward, and the share of its decisions on the sick that are the guideline's."""
    ward = Ward()
    place = WorldSource("ward", ward, 1)
    source = DataSource(treated(PATIENTS), place)
    values, diverged = {}, {}
    for arm, settings in ARMS.items():
        method = debate_based_justifiable_rewards(**settings)
        run = learn(method, source, steps=UPDATES, seeds=seeds, episodes=0)
        acts = run.build(method.floats).acts

        def lived(parts: Any, acts: Any = acts) -> tuple[Array, Array]:
            policy = in_source_units(acts(parts), place.spec, source.scaling)
            rows, _ = collect_fresh(policy, ward, (), EPISODES, ward.horizon, jax.random.key(HELD_OUT))
            sick, right = rows.obs[..., 0] > 0, rows.action == guideline(rows.obs)
            return rows.reward.sum(axis=0).mean(), (right & sick).sum() / sick.sum()

        found = jax.jit(jax.vmap(lived))(run.machine.state.parts)
        values |= {f"{arm}, return": np.asarray(found[0]), f"{arm}, justified": np.asarray(found[1])}
        diverged |= {f"{arm}, {what}": run.diverged() for what in ("return", "justified")}
    return Measured(values, diverged)


CLAIM = Claim(
    recipe="debate-based-justifiable-rewards",
    statement=(
        "With the outcome of debates in its reward a policy decides more often as its judge's guideline does than one "
        "learned from the reward alone, at hardly any cost of return, and about as often as with a judge who sees everything."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        greater("debate, justified", "reward alone, justified"),
        not_worse("debate, return", "reward alone, return", margin=0.5),
        not_worse("debate, justified", "full information, justified", margin=0.1),
    ),
    unit={
        **{f"{arm}, return": "return (ward, 10 steps)" for arm in ARMS},
        **{f"{arm}, justified": "share of decisions on the sick that are the guideline's" for arm in ARMS},
    },
    settings={arm: dict(settings) for arm, settings in ARMS.items()} | {"patients": PATIENTS, "updates": UPDATES},
    tried={f"{arm}, justified": ["weight=0.5" if arm != "reward alone" else "weight=0"] for arm in ARMS},
    seeds=8,
    notes=(
        "A simulated ward of six signs and three actions, whose data follow a guideline in 60% of cases and hold any action "
        "in the others; the guideline's choice of drug is nearly indifferent to the reward. The debate shows the judge two "
        "of the six signs; the judge who sees everything was learned alike. Of the updates of every arm 2,000 are the judge's. The margin of 0.5 of return was set before "
        "anything was run. Nothing was tuned."
    ),
)
