"""Learning with a person in the loop (HIL-SERL): who watches takes over now and then, and what they did is kept twice.

RLPD whose overseer may act in the policy's place. Everything lived goes into the replay with the action that was done;
what the overseer did joins the demonstrations as well, from which half of every batch is drawn.

Source: Luo, Xu, Wu and Levine, "Precise and Dexterous Robotic Manipulation via Human-in-the-Loop Reinforcement Learning",
arXiv:2410.21845, and the authors' code, where interventions are reported by the environment.
Departures: 1. The world's own sparse reward stands for the trained success classifier. 2. One continuous action: the
separate critic of a discrete gripper, and the pretrained vision backbone, are left out. 3. Overseen worlds are JAX
worlds (`worlds.overseen`); in any other nobody intervenes, and this is RLPD.
"""

from collections.abc import Sequence
from dataclasses import replace

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import as_executed, remember
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.soft_actor_critic import critics_then_actor, soft_objectives, soft_parts
from pilothouse.algorithm.steps import Algorithm, Collect, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Mixed, Pooled, Uniform
from pilothouse.data.stores import ring
from pilothouse.evaluate.arms import curve_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_data import SwingUp, mixture
from pilothouse.policies.policy import mode_of, sampled, uniform_over
from pilothouse.recipes.offline.rlpd import rlpd
from pilothouse.train.resolve import world_source
from pilothouse.train.sources import ContinuedSource, WorldSource
from pilothouse.worlds.overseen import Overseen


@recipe("hil-serl", takes=Takes(source="continued"))
def hil_serl(
    spec: Spec,
    *,
    discount: Fraction = 0.97,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    members: Count = 2,
    subset: Count = 2,
    updates: Count = 2,
    warmup: Count = 100,
    capacity: Count = 200_000,
) -> Algorithm:
    critic, *actors = soft_objectives(spec, subset)
    shown = Pooled(("data", "interventions"), batch // 2, discount)
    rows = Mixed((shown, Uniform("replay", batch - batch // 2, discount)))
    fits = critics_then_actor((critic,), tuple(actors), rows, rate, updates)
    keep = (
        as_executed("lived"),
        remember("lived", "replay"),
        remember("lived", "interventions", only="intervened"),
    )
    return Algorithm(
        parts={
            **soft_parts(spec, width, depth, members),
            "replay": ring(spec, capacity),
            "interventions": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("lived", 1, uniform_over(spec.action)), *keep), cycles=warmup),
            Stage((Collect("lived", 1, sampled("actor")), *keep, *fits)),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


SHARED = {"width": 32, "batch": 32, "members": 2, "updates": 4, "warmup": 100, "lr": 1e-2, "discount": 0.98}
SHARED |= {"capacity": 2_000}
ARMS = {"hil-serl": (hil_serl, SHARED), "rlpd": (rlpd, SHARED)}
STEPS = 1_000
PATIENCE, HOLD = 40, 30


def measure(seeds: Sequence[int]) -> Measured:
    """Mean return over the whole curve on the sparse Pendulum, alone; one episode of 200 steps is shown beforehand.

    HIL-SERL learns where a scripted controller takes over for 30 steps whenever 40 brought no reward, RLPD where nobody
    does. Both are measured where nobody does.
    """
    name, controller = "pendulum-sparse", SwingUp(2.0, 0.2)
    alone = ContinuedSource(mixture(name, [(controller, 200)]), world_source(name, environments=1))
    overseen = WorldSource(name, Overseen(alone.place.world, controller, PATIENCE, HOLD), 1)  # type: ignore
    sources = {"hil-serl": replace(alone, place=overseen, measured=alone.place), "rlpd": alone}
    values, diverged = {}, {}
    for arm, source in sources.items():
        found = curve_returns({arm: ARMS[arm]}, source, steps=STEPS, seeds=seeds, evaluations=10)
        values |= found.values
        diverged |= found.diverged
    return Measured(values, diverged)


CLAIM = Claim(
    recipe="hil-serl",
    statement=(
        "Where reward is rare and one demonstration is given, a learner whose overseer takes over when it stalls earns "
        "more while it learns than the same learner with the demonstration alone."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(greater("hil-serl", "rlpd"),),
    unit="mean return over the curve (sparse Pendulum)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={arm: ["lr=0.001", "lr=0.003", "lr=0.01"] for arm in ARMS},
    seeds=8,
    notes=(
        "A scripted controller stands for the person and Pendulum for the robot. HIL-SERL has the overseer's help within "
        "its environment steps, as in the paper, and RLPD has not; environment steps are as many. Each learning rate was "
        "tried on seeds 0 to 3 of this task; the highest was the best for both arms (mean over the curve: HIL-SERL 4.3, "
        "22.9, 43.2, RLPD 0.5, 0.8, 13.9), so a higher one might be better still. Nothing else was tuned."
    ),
)
