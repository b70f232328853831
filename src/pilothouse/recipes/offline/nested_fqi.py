"""Nested fitted Q-iteration (NFQI): what two groups share is learned from the large one, the difference from the small.

The value of an action is a shared one, and in the foreground its own on top. The shared network is fitted to background
rows first; then it stays, and the own one is fitted to the foreground's, of which there are few.

Source: Mandyam, Jones, Laudanski and Engelhardt, "Nested Policy Reinforcement Learning", arXiv:2110.02879, and the
authors' code (ArpiS/nested-policy-rl).
Departures: 1. Networks end in a line, have rectified units and take the state to a value for each action; theirs have
sigmoids throughout, also at the end, and take the action too. 2. An iteration of fitted Q is `block` steps on batches
drawn from the group; theirs is one step on all its rows. 3. The shared network stays after `pretraining` updates, where
theirs does when the pole was balanced three times in a row. 4. Values are of rewards, theirs of costs. The group is the last
entry of an observation, above 0 in the foreground. `groups`: `separate` fits each group alone, `pooled` both as one.
"""

from collections.abc import Sequence
from typing import Any, Literal

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import copy
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage, Step, copy_of
from pilothouse.core.aliases import Parts
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.data.groups import Where
from pilothouse.evaluate.arms import final_returns
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, not_worse
from pilothouse.evaluate.scripted_groups import grouped_cart
from pilothouse.networks.critics import q_network
from pilothouse.networks.nested import NestedQ, in_foreground, without_group
from pilothouse.objectives.nested import fitted_td
from pilothouse.policies.exploration import Greedy


@recipe("nested-fqi", takes=Takes(source="data", action=("Discrete",), obs=("Box",)))
def nested_fqi(
    spec: Spec,
    *,
    groups: Literal["nested", "separate", "pooled"] = "nested",
    pretraining: Count = 10_000,
    discount: Fraction = 0.95,
    lr: Positive = 1e-3,
    batch: Count = 256,
    width: Count = 64,
    depth: Count = 2,
    block: Count = 100,
) -> Algorithm:
    def values(suffix: str = "", *, both: bool = True):
        def of(parts: Parts) -> NestedQ:
            return NestedQ(parts["shared" + suffix], parts["own" + suffix] if both else None, groups == "nested")

        return of

    def iteration(part: str, rows: Uniform, *, both: bool) -> tuple[Step, ...]:
        loss = fitted_td(values(both=both), values("/held", both=both), name=part)
        return Fit((Objective(loss, (part,)),), rows, times=block), copy(part, f"{part}/held")

    network = q_network(without_group(spec), width, depth)
    parts = {"shared": network, "shared/held": copy_of("shared")}
    if groups == "pooled":
        stages = (Stage(iteration("shared", Uniform("data", batch, discount), both=False)),)
    else:
        background = Where("data", batch, discount, holds=lambda rows: ~in_foreground(rows.obs))
        foreground = Where("data", batch, discount, holds=lambda rows: in_foreground(rows.obs))
        parts |= {"own": network, "own/held": copy_of("own")}
        first = for_updates(pretraining, *iteration("shared", background, both=False))
        stages = (first, Stage(iteration("own", foreground, both=True)))
    acting = values(both=groups != "pooled")
    return Algorithm(parts=parts, stages=stages, acts=lambda parts: Greedy(acting(parts)), optimizer=optax.adam(lr))


SHARED: dict[str, Any] = {"width": 32, "batch": 64, "block": 100, "pretraining": 4_000}
ARMS = {
    "nested": (nested_fqi, {**SHARED, "groups": "nested", "lr": 3e-3, "discount": 0.95}),
    "pooled": (nested_fqi, {**SHARED, "groups": "pooled", "lr": 1e-3, "discount": 0.95}),
    "separate": (nested_fqi, {**SHARED, "groups": "separate", "lr": 3e-3, "discount": 0.98}),
}
UPDATES = 8_000


def measure(seeds: Sequence[int]) -> Measured:
    """Steps that CartPole stands in a wind of 6 N, of 200, learned from 3,000 random steps without it and 200 in it."""
    return final_returns(ARMS, grouped_cart(background=3_000, foreground=200, wind=-6.0), steps=UPDATES, seeds=seeds)


CLAIM = Claim(
    recipe="nested-fqi",
    statement=(
        "In the small group, values nested in those of the large one do no worse than one value for both groups, and better than "
        "values learned from the small group alone."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(not_worse("nested", "pooled", margin=20.0), greater("nested", "separate")),
    unit="steps upright in the wind (CartPole, 200 at most)",
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried={arm: [f"lr={lr:g} discount={d:g}" for lr in (1e-3, 3e-3) for d in (0.95, 0.98)] for arm in ARMS},
    seeds=32,
    notes=(
        "Tuned on seeds 0 and 1 of this task, in the order listed: nested 81, 41, 85, 61; pooled 72, 57, 38, 62; separate 14, 14, "
        "30, 49. Two seeds of one setting differ by up to 134 steps: what fitted Q holds at its last iteration is a matter of "
        "luck. A wind from one side is the paper's difference too; its networks, data and time limits are others. The margin is "
        "a tenth of the longest episode. One dataset for all seeds. Of the updates of the nested and the separate arm, half are "
        "the background's; the paper's clinical task is left out. Measured before on 16 of these seeds, which had too little "
        "power: there, nested values were shown to do better than those of the small group alone."
    ),
)
