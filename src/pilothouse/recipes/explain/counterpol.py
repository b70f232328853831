"""Counterfactual policies (Counterpol): the least change to a policy that brings its return to a wanted value.

From the policy to be explained, descend (J - R)^2 by policy gradient, plus k times the divergence from a pivot, which
is the policy itself and every so many updates the policy reached by then. What differs in the end says what the policy
would have to do otherwise to be that good, or that bad. Adopt the policy to explain as the part `agent`.

Source: Deshmukh, Srivatsan, Vijay, Subramanian and Agarwal, "Counterfactual Explanation Policies in RL",
arXiv:2307.13192, and the authors' code.
Departures: 1. The gradient of J is weighed by the return to go less its mean over the episodes at that step; the
authors' code subtracts the wanted return. 2. The divergence is exact; theirs is a cross-entropy of the action taken.
3. Episodes are drawn from the policy; theirs follow the likeliest action. 4. Where the return is within `tolerance` of
what is wanted nothing is learned, and the next cycle measures again; theirs ends there.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import copy
from pilothouse.algorithm.settings import Count, NotNegative, Positive, Real
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, copy_of
from pilothouse.core.aliases import Aux, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Sweep
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import less
from pilothouse.explain.policy_change import policy_change
from pilothouse.networks.actors import actor_and_value
from pilothouse.objectives.return_target import return_to_go, towards_return
from pilothouse.objectives.terms import evaluate, kl_from_beside, terms
from pilothouse.policies.actor_critic import SampledWithValue, agent_sampled
from pilothouse.recipes.online.ppo import ppo
from pilothouse.rollout.collect import collect_fresh
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole


def how_far_off(target: float, span: float) -> Rule:
    """Measure the rollout's mean return, into `achieved`, and write `advantage` and `gap` (in spans squared) to its rows."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows: Batch = parts["rollout"]
        to_go, advantage = return_to_go(rows.reward, rows.valid)
        achieved = to_go[0].mean()
        gap = jnp.full(rows.reward.shape, (achieved - target) / span**2)
        return {"rollout": rows.replace(advantage=advantage, gap=gap), "achieved": achieved}

    return Rule(change, ("rollout", "achieved"))


@recipe("counterpol", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete", "Dict"), masks=True))
def counterpol(
    spec: Spec,
    *,
    target: Real = 100.0,
    k: NotNegative = 1.0,
    tolerance: Positive = 10.0,
    span: Positive = 500.0,
    rounds: Count = 10,
    length: Count = 500,
    lr: Positive = 1e-3,
    width: Count = 64,
    depth: Count = 2,
) -> Algorithm:
    look = (Collect("rollout", length, agent_sampled("agent"), fresh=True), how_far_off(target, span))
    loss = terms(evaluate("agent", beside="pivot"), (towards_return, 1.0), (kl_from_beside, k), name="counterfactual")
    fit = Fit((Objective(loss, ("agent",)),), Sweep("rollout", 1))
    near: Callable[[Parts], PyTree] = lambda parts: jnp.abs(parts["achieved"] - target) < tolerance  # noqa: E731
    return Algorithm.of(
        parts={
            "agent": actor_and_value(spec, width, depth),
            "pivot": copy_of("agent"),
            "original": copy_of("agent"),
            "achieved": lambda key: jnp.zeros(()),
        },
        cycle=(*look, Repeat((fit, *look), rounds, until=near), copy("agent", "pivot")),
        acts=agent_sampled("agent"),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(lr)),
    )


WORLD, TARGETS = CartPole(horizon=200), (50.0, 100.0, 150.0)
START = {"steps": 10_000, "lr": 1e-3}
SHARED = {"tolerance": 5.0, "rounds": 10, "span": 200.0, "length": 200}
ARMS = {"counterpol": {"k": 0.3, "lr": 1e-3}, "k = 0": {"k": 0.0, "lr": 3e-4}}
CYCLES, ENVIRONMENTS = 20, 32


def change_from(original: Any, agent: Any, key: Any) -> Any:
    """How far the agent is from its original, where the original goes; and the original's own mean return."""
    rows, _ = collect_fresh(SampledWithValue(original), WORLD, (), 64, WORLD.horizon, key)
    obs, valid = rows.obs.reshape(-1, rows.obs.shape[-1]), rows.valid.reshape(-1)
    return policy_change(original, agent, obs, valid=valid).divergence, rows.reward.sum(axis=0).mean()


def measure(seeds: Sequence[int]) -> Measured:
    """PPO's half-trained policies, brought to three returns on CartPole of 200 steps; every arm, target and seed a lane."""
    base = learn(ppo(lr=START["lr"]), WorldSource("cartpole", WORLD), steps=int(START["steps"]), seeds=seeds)
    lanes = [(arm, target, lane) for arm in ARMS for target in TARGETS for lane in range(len(seeds))]
    which = np.array([lane for *_, lane in lanes])
    floats = {name: [ARMS[arm][name] for arm, *_ in lanes] for name in ("k", "lr")}
    run = learn(
        counterpol(**SHARED),
        WorldSource("cartpole", WORLD, ENVIRONMENTS),
        steps=CYCLES * (1 + int(SHARED["rounds"])) * WORLD.horizon * ENVIRONMENTS,
        seeds=[seeds[lane] for lane in which],
        floats={**floats, "target": [target for _, target, _ in lanes]},
        adopt={"agent": jax.tree.map(lambda x: x[which], base.machine.state.parts["agent"])},
        episodes=200,
    )
    parts, keys = run.machine.state.parts, jax.vmap(jax.random.key)(jnp.asarray(which, jnp.uint32))
    divergence, before = jax.jit(jax.vmap(change_from))(parts["original"], parts["agent"], keys)
    shape = (len(ARMS), len(TARGETS), len(seeds))
    off = np.abs(run.final_returns().mean(axis=1).reshape(shape) - np.array(TARGETS)[:, None]).mean(axis=1)
    values = {
        "asked for, before": np.abs(np.asarray(before).reshape(shape)[0] - np.array(TARGETS)[:, None]).mean(axis=0)
    }
    values |= {f"off target, {arm}": off[row] for row, arm in enumerate(ARMS)}
    values |= {
        f"change, {arm}": np.asarray(divergence).reshape(shape)[row].mean(axis=0) for row, arm in enumerate(ARMS)
    }
    values["tolerated"] = np.full(len(seeds), 0.1 * np.mean(TARGETS))
    diverged = np.asarray(run.diverged().reshape(shape).any(axis=1))
    return Measured(
        values, {f"{what}, {arm}": diverged[row] for what in ("off target", "change") for row, arm in enumerate(ARMS)}
    )


CLAIM = Claim(
    recipe="counterpol",
    statement=(
        "A policy is brought to a wanted return, from 50 to 150, to within a tenth, and with a smaller change to what it "
        "does than the same descent makes without the divergence from a pivot."
    ),
    basis="paper",
    source="code",
    measure=measure,
    relations=(
        less("off target, counterpol", "tolerated"),
        less("off target, counterpol", "asked for, before"),
        less("change, counterpol", "change, k = 0"),
    ),
    unit={
        **{f"off target, {arm}": "|return - target|, mean of 3 targets" for arm in ARMS},
        **{f"change, {arm}": "KL(original, counterfactual) in nats, mean of 3 targets" for arm in ARMS},
        "tolerated": "a tenth of the mean target",
        "asked for, before": "|return - target| of the policy to explain",
    },
    settings={"start": START, "shared": SHARED, "cycles": CYCLES, "environments": ENVIRONMENTS, **ARMS},
    tried={
        "counterpol": ["k=0.03, lr=1e-3", "k=0.1, lr=1e-3", "k=0.3, lr=1e-3"],
        "k = 0": ["lr=3e-4", "lr=1e-3", "lr=3e-3"],
    },
    seeds=8,
    notes=(
        "Settings were chosen on seeds 0 to 3: among those that came within a tenth, the one of least change. The wanted "
        "returns are 50, 100 and 150, of policies that earn about 170; the divergence is measured where the original goes."
    ),
)
