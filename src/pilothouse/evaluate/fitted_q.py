"""Fitted-Q evaluation (FQE): what would this policy earn, from the data alone.

A twin critic is fitted to reward plus the discounted slow value of the policy's own next action; its value at the
starts of the data's episodes estimates the discounted return.

Source: Le, Voloshin and Yue, "Batch Policy Learning under Constraints", arXiv:1903.08738, algorithm 3.
Departures: 1. The fit is by stochastic steps with a slow copy that follows, in place of a fresh regression each round.
2. Two members, whose disagreement is one of the reasons not to trust an estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.train.machine import Build, Lanes, Machine


@dataclass(frozen=True)
class FittedQ:
    """Estimates by lane, in discounted return.

    `values`: mean over the members, at the starts of episodes; `disagreement`: mean size of the members' difference
    there; `possible`: the discounted return of the lowest and of the highest reward in the data for ever; `critic`: the
    fitted twin critics, with a leading axis of lanes, in the recipe's units.
    """

    values: Float[np.ndarray, " lane"]
    disagreement: Float[np.ndarray, " lane"]
    possible: tuple[float, float]
    critic: Any = None

    def doubt(self) -> str:
        """Why the estimates are not to be trusted; empty when no check failed."""
        low, high = self.possible
        if not np.isfinite(self.values).all():
            return "the fit diverged"
        if (self.values < low).any() or (self.values > high).any():
            return f"a value lies outside what the data's rewards allow ({low:.3g} to {high:.3g})"
        if (self.disagreement > 0.2 * np.maximum(np.abs(self.values), 1e-6)).any():
            return "two fits disagree by more than a fifth"
        return ""


def policy_td(build: Build, floats: Mapping[str, Any]) -> Loss:
    """Squared error to the slow value of what the studied policy would do next. Trains `critic`; draws `next_action`.

    The studied policy's own parts stand under their names with `studied/` before.
    """

    def fitted(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        studied = {name.removeprefix("studied/"): part for name, part in parts.items() if name.startswith("studied/")}
        policy = build(floats).acts(studied)

        def decide(obs: PyTree, own: PRNGKeyArray) -> PyTree:
            return policy(obs, policy.reset(None, (), own), own)[0]

        keys = jax.random.split(named(key, "next_action"), batch.reward.shape[0])
        following = jax.vmap(decide)(batch.next_obs, keys)
        slow = jax.vmap(parts["critic/slow"])(batch.next_obs, following)
        target = batch.reward[:, None] + batch.discount[:, None] * slow
        q = jax.vmap(parts["critic"])(batch.obs, batch.action)
        loss = sum(squared_td_loss(q[:, i : i + 1], target[:, i]).mean() for i in range(q.shape[1]))
        return jnp.asarray(loss), {"critic/q_mean": q.mean()}

    return fitted


def fitted_q(
    build: Build,
    spec: Spec,
    rows: Batch,
    starts: Sequence[int] | np.ndarray,
    parts: Mapping[str, PyTree],
    floats: Mapping[str, Any],
    *,
    updates: int = 5_000,
    discount: float = 0.99,
    width: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
) -> FittedQ:
    """Fit one critic for each lane's policy, all lanes in one program.

    **Arguments:** `build`, `parts`, `floats`: of the studied policies, with a leading axis of lanes; `rows`: the data
    in the recipe's units; `starts`: the rows at which episodes begin.
    """
    lanes = jax.tree.leaves(dict(parts))[0].shape[0]
    given = {f"studied/{name}": part for name, part in parts.items()}
    unit = spec.unit()

    def evaluator(mine: Mapping[str, Any]) -> Algorithm:
        fit = Fit(
            (Objective(policy_td(build, mine), ("critic",)),),
            Uniform("data", 256, discount),
            after=(follow("critic", "critic/slow", 0.005),),
        )
        made: dict[str, Any] = {name: _given(name) for name in given}
        made |= {"critic": twin_critic(unit, width), "critic/slow": copy_of("critic")}
        return Algorithm.of(parts=made, cycle=(fit,), acts=lambda p: p, optimizer=optax.adam(lr))  # pyright: ignore

    wide = {name: tuple(float(v) for v in np.asarray(values)) for name, values in floats.items()}
    machine = Machine(
        evaluator, Lanes.of(range(seed, seed + lanes), wide), fixed={"data": rows}, cycles=updates, adopt=given
    )
    machine.advance(updates)
    first = np.asarray(starts)

    def value(critic: Any, studied: Any, mine: Any) -> tuple[Array, Array]:
        policy = build(mine).acts(studied)
        key = jax.random.key(seed)
        obs = jax.tree.map(lambda x: x[first], rows.obs)
        action = jax.vmap(lambda o: policy(o, policy.reset(None, (), key), key)[0])(obs)
        q = jax.vmap(critic)(obs, action)
        return q.mean(), jnp.abs(q[:, 0] - q[:, 1]).mean()

    values, gaps = jax.jit(jax.vmap(value))(machine.state.parts["critic"], dict(parts), machine.floats)
    ends = sorted((float(np.min(rows.reward)) / (1 - discount), float(np.max(rows.reward)) / (1 - discount)))
    possible = (min(ends[0], float(np.min(rows.reward)), 0.0), max(ends[1], float(np.max(rows.reward)), 0.0))
    critic = machine.state.parts["critic"]
    return FittedQ(np.asarray(values, np.float64), np.asarray(gaps, np.float64), possible, critic)


def _given(name: str) -> Any:
    def missing(key: PRNGKeyArray) -> PyTree:
        raise KeyError(f"{name} is adopted and never made here")

    return missing
