"""FixPO: a trust region that holds at every state of every update, by a penalty and a second phase that repairs.

The first phase is PPO's, with a divergence penalty in place of the clip, whose multiplier adapts until three times the
divergence is about the bound. The second repeats steps on the divergence alone until its largest value, over all states
of the rollout, is within the bound, or until `most` sweeps are spent; it is needed rarely and briefly.

Measured here: the bound holds on every update and the repair is cheap, but on CartPole the return is below PPO's. That is
a verdict on the variant below, not yet on the method as its authors run it: see the departures.

Source: Zentner, Puri, Huang and Sukhatme, "Guaranteed Trust Region Optimization via Two-Phase KL Penalization",
arXiv:2312.05405.
Departures: 1. Written from the abstract and the introduction; what they leave open is as in our PPO. 2. The multiplier is
a softplus, starts at 0.69, moves by Adam and is driven by the mean divergence; in code that seems to be the authors' it
is a plain number that starts at 1 and is driven by the largest of the minibatch. 3. The second phase comes once, after
the last epoch, weighs the divergence by a constant and sweeps over the whole rollout; there it comes after every epoch,
with the multiplier still adapting, on the minibatches that break the bound. 4. The first phase never stops early.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Array, Float

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import advantages, copy, scalar
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, copy_of
from pilothouse.core.aliases import Loss, Parts
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Sweep
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import less, not_worse, within
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.distributions import kl
from pilothouse.objectives.terms import (
    evaluate,
    importance_weighted,
    kl_from_beside,
    negative_entropy,
    squared_value_error,
    terms,
)
from pilothouse.policies.actor_critic import agent_mode, agent_sampled
from pilothouse.recipes.online.ppo import ppo
from pilothouse.train.resolve import world_source
from pilothouse.train.session import learn


def largest_divergence(parts: Parts, agent: str = "agent", before: str = "before", rollout: str = "rollout") -> Array:
    """The greatest KL(before, now), in nats, over the states of the rollout."""
    obs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parts[rollout].obs)
    return kl(jax.vmap(parts[before])(obs)[0], jax.vmap(parts[agent])(obs)[0]).max()


def bound_by_multiplier(penalty: Loss, bound: float, slack: float, multiplier: str = "beta") -> Loss:
    """Raise the multiplier while `slack` times the penalty's mean is above the bound. Trains the multiplier."""

    def dual(parts: Parts, batch: Any, key: Any) -> Any:
        excess = slack * jax.lax.stop_gradient(penalty(parts, batch, key)[0]) - bound
        return -jax.nn.softplus(parts[multiplier]) * excess, {"beta": jax.nn.softplus(parts[multiplier])}

    return dual


@recipe("fixpo", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def fixpo(
    spec: Spec,
    *,
    bound: Positive = 0.1,
    slack: Positive = 3.0,
    most: Count = 100,
    entropy: NotNegative = 0.0,
    value: NotNegative = 0.5,
    discount: Fraction = 0.99,
    lam: Fraction = 0.95,
    lr: Positive = 3e-4,
    beta_lr: Positive = 0.1,
    length: Count = 128,
    epochs: Count = 4,
    minibatches: Count = 4,
    width: Count = 64,
    depth: Count = 2,
) -> Algorithm:
    both = evaluate("agent", beside="before")
    gain = terms(
        both,
        (importance_weighted(normalise=True), 1.0),
        (kl_from_beside, lambda parts: jax.nn.softplus(parts["beta"])),
        (squared_value_error, value),
        (negative_entropy, entropy),
        name="fixpo",
    )
    apart = terms(both, (kl_from_beside, 1.0), name="repair")
    first = (Objective(gain, ("agent",)), Objective(bound_by_multiplier(apart, bound, slack), ("beta",)))
    second = Fit((Objective(apart, ("agent",)),), Sweep("rollout", minibatches))
    return Algorithm.of(
        parts={"agent": actor_and_value(spec, width, depth), "before": copy_of("agent"), "beta": scalar(0.0)},
        cycle=(
            copy("agent", "before"),
            Collect("rollout", length, agent_sampled("agent")),
            advantages(discount, lam),
            Fit(first, Sweep("rollout", minibatches, epochs)),
            Repeat((second,), most, until=lambda parts: largest_divergence(parts) <= bound),
        ),
        acts=agent_mode("agent"),
        optimizer={"agent": optax.chain(optax.clip_by_global_norm(0.5), optax.adam(lr)), "beta": optax.adam(beta_lr)},
    )


def watched(algorithm: Algorithm, bound: float) -> Algorithm:
    """The algorithm, which also counts the rounds after which some state's divergence was beyond the bound."""

    def watch(parts: Parts, batch: Any, aux: Any, key: Any) -> dict[str, Any]:
        return {"broken": parts["broken"] + (largest_divergence(parts, before="start") > bound)}

    (stage,) = algorithm.stages
    cycle = (copy("agent", "start"), *stage.cycle, Rule(watch, ("broken",)))
    parts = {**algorithm.parts, "start": copy_of("agent"), "broken": scalar(0.0)}
    return replace(algorithm, parts=parts, stages=(replace(stage, cycle=cycle),))


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
            rounds = [m for look in run.looks for name, m in look.metrics.items() if name.startswith("repeat/")]
            repairs.append(np.mean(rounds, axis=0) / bound.settings["epochs"] if rounds else np.zeros(len(seeds)))
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
    source="abstract",
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
        "Settings were chosen for each arm by return on CartPole, seeds 0 to 3. Violations and extra steps are the "
        "mean of CartPole (categorical) and Pendulum (normal)."
    ),
)
