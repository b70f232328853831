"""RORL: soft actor-critic on data alone, whose policy and values stay alike under small changes of what is observed.

SAC-N, and three terms around each of the data's observations: the policy may not differ much at the worst observation
near it; neither may values, and less upwards than downwards; and values of the policy's actions near the data fall where
the members disagree, so that smoothness does not lend outsiders the values of the data.

Source: Yang, Bai, Ma, Wang, Zhang and Han, "RORL: Robust Offline Reinforcement Learning via Conservative Smoothing",
arXiv:2206.02829, and the authors' code. Departures: 1. The losses of an update see the parts from before it.
2. Observations near are drawn for each row of a batch by itself; the authors' code draws one set for all rows. `reach`es
are in deviations of the data. Weights and reaches differ by task in the paper: the defaults are those of Walker2d-medium
under attack.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.smooth_actor_critic import smooth_objectives
from pilothouse.algorithm.soft_actor_critic import soft_parts
from pilothouse.algorithm.steps import Algorithm, Fit
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.arms import returns_around
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.guard.attacks import Diverted
from pilothouse.objectives.smoothness import fading
from pilothouse.policies.policy import mode_of
from pilothouse.recipes.offline.sac_n import sac_n
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn
from pilothouse.train.sources import DataSource


@recipe("rorl", takes=Takes(source="data", obs=("Box",)))
def rorl(
    spec: Spec,
    *,
    policy_reach: NotNegative = 0.07,
    policy_weight: NotNegative = 0.5,
    value_reach: NotNegative = 0.03,
    value_weight: NotNegative = 1e-4,
    lean: Fraction = 0.2,
    doubt_reach: NotNegative = 0.03,
    doubt_weight: NotNegative = 0.5,
    caution: NotNegative = 1.0,
    least_caution: NotNegative = 0.1,
    fade: NotNegative = 1e-6,
    samples: Count = 20,
    members: Count = 10,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 3,
) -> Algorithm:
    objectives = smooth_objectives(
        spec,
        reaches=(policy_reach, value_reach, doubt_reach),
        weights=(policy_weight, value_weight, doubt_weight),
        lean=lean,
        caution=fading(caution, least_caution, fade),
        samples=samples,
    )
    slow = (follow("critic", "critic/slow", rate),)
    return Algorithm.of(
        parts=soft_parts(spec, width, depth, members, layer_norm=False),
        cycle=(Fit(objectives, Uniform("data", batch, discount), after=slow),),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


LOOKS: dict[str, Any] = {"samples": 4, "value_reach": 0.03, "doubt_reach": 0.03}
SHARED: dict[str, Any] = {"width": 32, "depth": 2, "members": 4, "batch": 64, "rate": 0.005, "discount": 0.97}
ARMS = {
    "rorl": (rorl, {**SHARED, **LOOKS, "lr": 3e-3, "policy_reach": 0.1, "policy_weight": 0.1}),
    "sac-n": (sac_n, {**SHARED, "lr": 3e-3}),
}
UPDATES = 6_000
RADII = (0.1, 0.2, 0.3)


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return in Pendulum, unattacked and attacked, learned from 3,000 steps each of three kinds of behaviour.

    Attacked: each observation moved within a box of 0.1, 0.2 and 0.3 deviations to where the action differs most; the
    mean over these three.
    """
    source = DataSource(mixed_pendulum(random=3_000, poor=3_000, good=3_000), world_source("pendulum"))
    spread = jnp.asarray(source.scaling.std)
    values, diverged = {}, {}
    for arm, (method, settings) in ARMS.items():
        run = learn(method(**settings), source, steps=UPDATES, seeds=seeds)
        found = returns_around(run, lambda policy, radius: Diverted(policy, radius * spread), (0.0, *RADII))
        values |= {arm: found[:, 1:].mean(axis=1), f"{arm}, unattacked": found[:, 0]}
        diverged |= {arm: run.diverged(), f"{arm}, unattacked": run.diverged()}
    return Measured(values, diverged)


CLAIM = Claim(
    recipe="rorl",
    statement="Where an adversary moves what is observed, RORL earns more than SAC-N learned from the same data.",
    basis="paper",
    source="code",
    measure=measure,
    relations=(greater("rorl", "sac-n"),),
    unit="mean return under attack (Pendulum)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={
        "rorl": [f"policy_reach={reach} policy_weight={weight}" for reach in (0.1, 0.3) for weight in (0.1, 1, 10)],
        "sac-n": [f"lr={lr} {more}".strip() for more in ("", "rate=0.02 members=8") for lr in (3e-4, 1e-3, 3e-3)],
    },
    seeds=8,
    notes=(
        "The adversary is the robustness suite's, by gradient ascent. Radii are in deviations of the data; the attacked return "
        "is the mean over radii of 0.1, 0.2 and 0.3, and of the unattacked one nothing is asserted. Of six settings each, on "
        "seeds 0 and 1 of this task, the best was taken: in the order listed RORL earned -480, -927, -1389, -803, -1403 and "
        "-1479 under attack, SAC-N -1312, -925, -389, -1281, -1610 and -603 (learning rates 0.0003, 0.001, 0.003, then the "
        "same with more members). RORL's learning rate was SAC-N's best; eight more of its settings (weights of 0.01 and "
        "0.03, with and without doubt, 8,000 updates) did no better, -486 to -893. EDAC at SAC-N's rate earned -365 to -408. "
        "So the tuning runs do not show the effect. Smaller data (6,000 rows, or 1,000 steps of each controller) were looked at "
        "before, the latter with both methods in part. A pendulum is balanced by a steep policy, and an observation that is "
        "wrong by 0.3 deviations is beyond any; the paper's tasks are walking robots."
    ),
)
