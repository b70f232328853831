"""From a fitted-Q model to what the estimators read: values at logged rows, for doubly robust and switching estimates.

    value = fit_value(policy, dataset, discount=0.99)
    found, logged = fitted_estimates(dataset, policy, value, behaviour=chances, discount=0.99)
    print(found["dr"].value, found["dr"].interval())

Everything here speaks in the source's own units, as a policy from `pilothouse.load` does; any other model of values
`(obs, action) -> scalar` may stand in for the fitted one.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.keys import named
from pilothouse.core.spaces import Discrete, Spec, to_unit
from pilothouse.data.dataset import Dataset
from pilothouse.evaluate.candidates import behaviour_propensities
from pilothouse.evaluate.fitted_q import FittedQ, fitted_q
from pilothouse.evaluate.importance import (
    Values,
    direct_method,
    doubly_robust,
    per_decision_importance,
    switch,
)
from pilothouse.evaluate.logged import Estimate, Logged, Rows
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.policy import Policy
from pilothouse.train.sources import DataSource

Value = Callable[[PyTree, PyTree], Array]
"""`(obs, action) -> scalar`, in the source's own units: the discounted return of the studied policy from there."""

CHUNK = 1024
"""Rows that are read at a time."""


class FittedValue(eqx.Module):
    """`value(obs, action)`: the mean of a fitted critic's members. `doubt` is why not to trust it; empty for none."""

    critic: Any
    mean: Float[Array, " obs"] | None
    std: Float[Array, " obs"] | None
    spec: Spec = eqx.field(static=True)
    doubt: str = eqx.field(static=True, default="")

    def __call__(self, obs: PyTree, action: PyTree) -> Array:
        seen = obs if self.mean is None else (obs - self.mean) / self.std
        return self.critic(seen, to_unit(self.spec.action, action)).mean()


class _InUnits(eqx.Module):
    """A policy in the source's own units, as the fit sees it: standardised observations in, unit actions out."""

    policy: Policy
    mean: Array | None
    std: Array | None
    spec: Spec = eqx.field(static=True)

    def reset(self, carry: Any, task: PyTree, key: PRNGKeyArray) -> Any:
        return self.policy.reset(carry, task, key)

    def __call__(self, obs: PyTree, carry: Any, key: PRNGKeyArray) -> tuple[PyTree, Any, dict[str, Any]]:
        seen = obs if self.mean is None else obs * self.std + self.mean
        action, carry, extra = self.policy(seen, carry, key)
        return to_unit(self.spec.action, action), carry, extra


def fit_value(
    policy: Policy | HostPolicy,
    dataset: Dataset,
    *,
    discount: float = 0.99,
    updates: int = 5_000,
    width: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
) -> FittedValue:
    """Fitted-Q evaluation of one policy on the rows of a dataset, kept as a model; see `evaluate.fitted_q`.

    Fit it on other episodes than those at which it is read, where there are enough: a model that has seen a row's noise
    takes that noise for value.

    **Raises:** `PolicyError` for a policy that cannot be traced, `DataError` where rows lack a reward or an action.
    """
    if isinstance(policy, HostPolicy):
        raise PolicyError(
            f"{policy.name} runs on the host and cannot be traced; fit to a policy of ours, or a surrogate."
        )
    source = DataSource(dataset)
    mean, std = (None if x is None else jnp.asarray(x, jnp.float32) for x in (source.scaling.mean, source.scaling.std))
    arrays, rest = eqx.partition(_InUnits(policy, mean, std, dataset.spec), eqx.is_array)

    def studied(floats: Any) -> Algorithm:
        del floats
        return Algorithm(parts={}, stages=(), acts=lambda parts: eqx.combine(parts["policy"], rest))

    lane = jax.tree.map(lambda x: jnp.asarray(x)[None], {"policy": arrays, "lane": jnp.zeros(())})
    found: FittedQ = fitted_q(
        studied, dataset.spec, source.in_memory()["data"], dataset.starts, lane, {},
        updates=updates, discount=discount, width=width, lr=lr, seed=seed,
    )  # fmt: skip
    return FittedValue(jax.tree.map(lambda x: x[0], found.critic), mean, std, dataset.spec, found.doubt())


def model_values(value: Value, policy: Policy, dataset: Dataset, *, draws: int = 16, seed: int = 0) -> Values:
    """Q of the logged actions and V of the logged states, and of the states after each episode's last step.

    V is the mean of Q over the policy's own choices: exactly where their probabilities are known, else over `draws`
    actions of it.
    """
    space, last = dataset.spec.action, dataset.starts + dataset.lengths - 1
    taken = np.concatenate([np.arange(len(dataset)), last])
    ends = jax.tree.map(lambda x: x[last], dataset.next_obs)
    obs = jax.tree.map(lambda x, end: np.concatenate([x, end]), dataset.obs, ends)
    action = jax.tree.map(lambda x: x[taken], dataset.action)

    def one(row: tuple[PyTree, PyTree, PRNGKeyArray]) -> tuple[Array, Array]:
        obs, action, key = row
        chances = _chances(policy, obs, key) if isinstance(space, Discrete) else None
        if chances is not None:
            return value(obs, action), chances @ jax.vmap(lambda choice: value(obs, choice))(jnp.arange(len(chances)))
        own = jax.vmap(lambda k: policy(obs, policy.reset(None, (), k), k)[0])(jax.random.split(key, draws))
        return value(obs, action), jax.vmap(lambda choice: value(obs, choice))(own).mean()

    keys = jax.random.split(named(jax.random.key(seed), "draws"), len(taken))
    # The model and the policy enter as they are: each is read once.
    q, v = jax.jit(lambda rows: jax.lax.map(one, rows, batch_size=CHUNK))((obs, action, keys))
    q, v, rows = np.asarray(q, np.float64), np.asarray(v, np.float64), len(dataset)
    return Values(q[:rows], v[:rows], v[rows:])


def target_propensities(policy: Policy, dataset: Dataset) -> Rows:
    """The probabilities with which a policy takes the logged actions.

    **Raises:** `SpaceError` where actions are not choices, `PolicyError` where the policy's probabilities are not known.
    """
    if not isinstance(dataset.spec.action, Discrete):
        raise SpaceError(f"Probabilities are of Discrete actions, not {dataset.spec.action}; use the direct method.")

    def one(row: tuple[PyTree, Array]) -> Array:
        chances = _chances(policy, row[0], jax.random.key(0))
        if chances is None:
            raise PolicyError(
                "The policy says no probabilities of its choices, which weighting needs; use the direct method."
            )
        return chances[row[1]]

    rows = dataset.obs, dataset.action
    return np.asarray(jax.jit(lambda rows: jax.lax.map(one, rows, batch_size=CHUNK))(rows), np.float64)


def fitted_estimates(
    dataset: Dataset,
    policy: Policy,
    value: Value,
    *,
    behaviour: Rows | None = None,
    discount: float = 0.99,
    most: float = 10.0,
    seed: int = 0,
) -> tuple[dict[str, Estimate], Logged]:
    """What the policy would earn: by the model alone (`fqe`), by weights alone (`pdis`, `snpdis`), and by both (`dr`,
    `sndr`, `switch`); and the log that they read.

    `behaviour`: the propensities of the logged actions, estimated from the log if not given; `most`: SWITCH's.

    **Raises:** as `target_propensities` and `Logged`.
    """
    values = model_values(value, policy, dataset, seed=seed)
    logged = Logged.of(
        dataset,
        behaviour=behaviour_propensities(dataset) if behaviour is None else behaviour,
        target=target_propensities(policy, dataset),
        discount=discount,
    )
    return {
        "fqe": direct_method(logged, values),
        "pdis": per_decision_importance(logged),
        "snpdis": per_decision_importance(logged, normalised=True),
        "dr": doubly_robust(logged, values),
        "sndr": doubly_robust(logged, values, normalised=True),
        "switch": switch(logged, values, most=most),
    }, logged


def _chances(policy: Policy, obs: PyTree, key: PRNGKeyArray) -> Array | None:
    """Probabilities of every choice, where the policy knows them or says them beside its action."""
    known = probabilities_at(policy, obs)
    return policy(obs, policy.reset(None, (), key), key)[2].get("probabilities") if known is None else known
