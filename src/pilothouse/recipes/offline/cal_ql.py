"""Calibrated Q-learning (Cal-QL): conservative before it goes online, but never lower than what the data already earned.

CQL whose policy's actions are pressed down no further than to the value of the policy that made the data. So what it
learns offline is neither too high nor absurdly low, and going online does not begin with unlearning: the critic is not
surprised by the first returns it meets.

Source: Nakamoto et al., "Cal-QL: Calibrated Offline RL Pre-Training for Efficient Online Fine-Tuning", arXiv:2303.05479.
Departures: 1. The value of the data's policy is a network that learns by one-step temporal differences with a slow copy,
where the authors take each row's return to the end of its episode. 2. As for our CQL: the losses of an update see the
parts from before it, the weight of the gap is fixed, and the actor climbs from the first update. 3. Online it goes on with
the same losses on half old and half new rows, as the authors' runs on locomotion do; `updates` are made a step.
"""

from functools import partial

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Batches, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform, half_and_half
from pilothouse.data.stores import ring
from pilothouse.networks.actors import squashed_gaussian
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.objectives.conservative import conservative_td, value_from
from pilothouse.objectives.policy_gradient import entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import value_error
from pilothouse.policies.policy import mode_of, sampled


@recipe("cal-ql", takes=Takes(source="continued"))
def cal_ql(
    spec: Spec,
    *,
    offline: Count = 100_000,
    weight: NotNegative = 5.0,
    samples: Count = 10,
    calibrated: bool = True,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    actor_lr: Positive = 1e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    updates: Count = 1,
    capacity: Count = 1_000_000,
) -> Algorithm:
    critic = conservative_td(weight, samples, floor=value_from("reference") if calibrated else None)
    reference = partial(value_error, value="reference", slow="reference/slow")

    def fit(rows: Batches, times: int = 1) -> Fit:
        objectives = (
            Objective(critic, ("critic",)),
            Objective(reference, ("reference",), name="reference_value"),
            Objective(soft_policy, ("actor",)),
            Objective(entropy_towards(-float(spec.action.size)), ("log_alpha",)),
        )
        slow = (follow("critic", "critic/slow", rate), follow("reference", "reference/slow", rate))
        return Fit(objectives, rows, times=times, after=slow)

    both = half_and_half("data", "replay", batch, discount)
    slower = optax.adam(actor_lr)
    return Algorithm(
        parts={
            "actor": squashed_gaussian(spec, width, depth),
            "critic": twin_critic(spec, width, depth),
            "critic/slow": copy_of("critic"),
            "reference": state_value(spec, width, depth),
            "reference/slow": copy_of("reference"),
            "log_alpha": scalar(0.0),
            "replay": ring(spec, capacity),
        },
        stages=(
            for_updates(offline, fit(Uniform("data", batch, discount))),
            Stage((Collect("replay", 1, sampled("actor")), fit(both, updates))),
        ),
        acts=mode_of("actor"),
        optimizer={name: optax.adam(lr) for name in ("critic", "reference")} | {"actor": slower, "log_alpha": slower},
    )
