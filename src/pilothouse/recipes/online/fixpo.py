"""FixPO: a trust region that holds at every state of every update, by a penalty and a second phase that repairs.

The first phase is an epoch of PPO's, with a divergence penalty in place of the clip. Its multiplier adapts until `slack`
times the largest divergence of a minibatch is about the bound, so that most states are well within. The second follows
every epoch: sweeps of steps on the penalty alone, with the multiplier still adapting, on those minibatches where some
state is beyond the bound, until none is in the whole rollout. It is needed rarely and briefly.

Source: Zentner, Puri, Huang and Sukhatme, "Guaranteed Trust Region Optimization via Two-Phase KL Penalization",
arXiv:2312.05405, by its abstract and the authors' code (uscresl/stabilized-rl, `src/fixpo_tianshou.py`), whose settings
on MuJoCo are the defaults of `bound`, `slack`, `beta_lr` and `epochs`.
Departures: 1. What is PPO's is as in our PPO, where the authors' is as in their library's: they anneal the learning rate,
clip the value's error, scale returns and not advantages, and standardise observations. 2. The second phase gives up
after `most` sweeps; theirs never does. 3. Its minibatches are those of the first phase; theirs are twice as large.
4. Its steps leave the value without gradient, but Adam's momentum still moves it; theirs do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import advantages, copy, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, copy_of
from pilothouse.core.aliases import Parts, Scalar
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Sweep
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import less, not_worse, within
from pilothouse.networks.actors import actor_and_value
from pilothouse.objectives.terms import (
    evaluate,
    importance_weighted,
    kl_from_beside,
    negative_entropy,
    squared_value_error,
    terms,
)
from pilothouse.objectives.trust_region import bound_by_multiplier, kl_beyond, largest_divergence
from pilothouse.policies.actor_critic import agent_mode, agent_sampled
from pilothouse.recipes.online.ppo import ppo
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn

BEYOND = "repair/beyond"
"""What the second phase says of a minibatch; as a metric, the share of its minibatches that it stepped on."""


def unless_within(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimiser, at rest (its state too) on minibatches of the second phase where all states are within the bound."""
    return optax.transforms.conditionally_mask(
        optimizer, lambda step, aux, **_: aux.get(BEYOND, True), forward_extra_args=True
    )


@recipe("fixpo", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def fixpo(
    spec: Spec,
    *,
    bound: Positive = 0.5,
    slack: Positive = 3.0,
    most: Count = 1000,
    entropy: NotNegative = 0.0,
    value: NotNegative = 0.5,
    discount: Fraction = 0.99,
    lam: Fraction = 0.95,
    lr: Positive = 3e-4,
    beta_lr: Positive = 0.01,
    length: Count = 128,
    epochs: Count = 10,
    minibatches: Count = 4,
    width: Count = 64,
    depth: Count = 2,
) -> Algorithm:
    def beta(parts: Parts) -> Scalar:
        return parts["beta"]

    def holds(parts: Parts) -> Bool[Array, ""]:
        return ~(largest_divergence(parts) > bound)  # so also at NaN, which no sweep would mend

    both = evaluate("agent", beside="before")
    gain = terms(
        both,
        (importance_weighted(normalise=True), 1.0),
        (kl_from_beside, beta),
        (squared_value_error, value),
        (negative_entropy, entropy),
        name="fixpo",
    )
    # A hair within the bound: rounding differs with the size of a batch, and a sweep must not find nothing to mend.
    apart = terms(both, (kl_beyond(0.999 * bound, said=BEYOND), beta), name="repair")
    dual = Objective(bound_by_multiplier(both, bound, slack), ("beta",))
    sweep = Sweep("rollout", minibatches)
    first, second = (Fit((Objective(loss, ("agent",)), dual), sweep) for loss in (gain, apart))
    return Algorithm.of(
        parts={"agent": actor_and_value(spec, width, depth), "before": copy_of("agent"), "beta": scalar(1.0)},
        cycle=(
            copy("agent", "before"),
            Collect("rollout", length, agent_sampled("agent")),
            advantages(discount, lam),
            Repeat((first, Repeat((second,), most, until=holds)), epochs),
        ),
        acts=agent_mode("agent"),
        optimizer={
            "agent": unless_within(optax.chain(optax.clip_by_global_norm(0.5), optax.adam(lr))),
            "beta": unless_within(optax.chain(optax.adam(beta_lr), optax.keep_params_nonnegative())),
        },
    )


def watched(algorithm: Algorithm, bound: float) -> Algorithm:
    """The algorithm, which also counts the rounds after which some state's divergence was beyond the bound."""

    def watch(parts: Parts, batch: Any, aux: Any, key: Any) -> dict[str, Any]:
        return {"broken": parts["broken"] + (largest_divergence(parts, before="start") > bound)}

    (stage,) = algorithm.stages
    cycle = (copy("agent", "start"), *stage.cycle, Rule(watch, ("broken",)))
    parts = {**algorithm.parts, "start": copy_of("agent"), "broken": scalar(0.0)}
    return replace(algorithm, parts=parts, stages=(replace(stage, cycle=cycle),))


def repair_steps(metrics: Mapping[str, Any], seeds: int) -> Float[np.ndarray, " seed"]:
    """Steps of the second phase for each of the first: sweeps after an epoch times the share of minibatches stepped on."""
    sweeps = sum(value for name, value in metrics.items() if name.startswith("repeat/"))
    return np.nan_to_num(sweeps * metrics.get(BEYOND, np.zeros(seeds)))  # NaN where there was no sweep


BOUND = 0.1
ARMS = {"fixpo": (fixpo, {"lr": 1e-3, "epochs": 10, "bound": BOUND}), "ppo": (ppo, {"lr": 3e-3, "epochs": 10})}
TASKS = {"cartpole": 60_000, "pendulum": 40_000}


def measure(seeds: Sequence[int]) -> Measured:
    """Return on CartPole; on CartPole and Pendulum, the share of updates beyond the bound and of steps that repair."""
    values: dict[str, Float[np.ndarray, " seed"]] = {}
    diverged = {}
    for arm, (method, settings) in ARMS.items():
        broken, repairs = [], []
        for task, steps in TASKS.items():
            source = world_source(task)
            bound = method(**settings)
            algorithm = watched(bound.build(source.spec.unit()), BOUND)
            looks = 6 if task == "cartpole" else 1
            run = learn(algorithm, source, steps=steps, seeds=seeds, evaluations=looks)
            broken.append(np.asarray(run.machine.state.parts["broken"]) / run.machine.done)
            repairs.append(np.mean([repair_steps(look.metrics, len(seeds)) for look in run.looks], axis=0))
            if task == "cartpole":
                returns = [look.returns.mean(axis=1) for look in run.looks if look.returns is not None]
                values[f"{arm} return"], diverged[f"{arm} return"] = np.mean(returns, axis=0), run.diverged()
        values[f"{arm} violations"] = np.mean(broken, axis=0)
        values[f"{arm} extra steps"] = np.mean(repairs, axis=0)
    still = np.zeros(len(seeds))
    return Measured(values | {"none": still, "a twentieth": still + 0.05}, diverged)


UNITS = {name: "share of updates" for name in ("fixpo violations", "ppo violations", "none")}
UNITS |= {name: "share of gradient steps" for name in ("fixpo extra steps", "a twentieth")}
UNITS |= {name: "return over the run (CartPole, 60,000 steps)" for name in ("fixpo return", "ppo return")}
TRIED = {
    "fixpo": [
        *(f"lr={lr:g} epochs=4 beta_lr=0.1" for lr in (1e-3, 3e-3, 1e-2)),
        *(f"lr={lr:g} epochs=10 beta_lr=0.1" for lr in (3e-4, 1e-3)),
        *(f"lr={lr:g} epochs=4 beta_lr=0.01 slack={slack}" for lr in (1e-3, 3e-3) for slack in (3, 1)),
        "lr=0.003 epochs=4 beta_lr=0.003",
        "lr=0.001 epochs=4 beta_lr=0.1 bound=0.3",
    ],
    "ppo": [
        *(f"lr={lr:g} epochs=4" for lr in (1e-3, 3e-3, 1e-2)),
        *(f"lr={lr:g} epochs=10" for lr in (3e-4, 1e-3, 3e-3, 1e-2)),
        *(f"lr={lr:g} epochs=10 clip={clip}" for lr in (1e-3, 3e-3) for clip in (0.1, 0.3)),
    ],
}
CLAIM = Claim(
    recipe="fixpo",
    statement=(
        "The trust region holds at every state of every update, where PPO's clipping breaks it, at fewer than five per "
        "cent more gradient steps and without loss of return."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        within("fixpo violations", "none", 0.001),
        less("fixpo violations", "ppo violations", 0.05),
        less("fixpo extra steps", "a twentieth"),
        not_worse("fixpo return", "ppo return", 40.0),
    ),
    unit=UNITS,
    settings={arm: settings for arm, (_, settings) in ARMS.items()},
    tried=TRIED,
    seeds=8,
    notes=(
        "Settings were chosen for each arm by return on CartPole, seeds 0 to 3. FixPO's were tried with an earlier form "
        "of it: a softplus multiplier driven by the mean divergence, and one repair an update. The form measured here "
        "keeps the lr, epochs and bound chosen then, with the authors' multiplier (from 1, beta_lr=0.01, slack=3); "
        "nothing was tried anew. Violations and extra steps are the mean of CartPole (categorical) and Pendulum (normal)."
    ),
)
