"""Fitted-Q evaluation for ranking: many policies at once, fitted on some episodes and read off at the starts of others.

What each policy would do next is computed once for every row that is fitted on, so that a fit costs the same whatever the
policy is, and all policies of all seeds are lanes of one program.

Source: Le, Voloshin and Yue, "Batch Policy Learning under Constraints", arXiv:1903.08738, algorithm 3.
Departures: 1. The fit is by stochastic steps with a slow copy that follows. 2. Two members, whose disagreement is a reason
for doubt. 3. A policy that draws its actions draws one for every row, once. 4. The critic speaks in standard deviations
from the mean of the data's discounted returns to go, so that it begins at what the data themselves earned. 5. A policy
that is costly to ask is asked at a random sample of the rows only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, copy_of
from pilothouse.core.aliases import Aux, Loss, Parts, Scalar
from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform, with_discount
from pilothouse.evaluate.departure import Departure, Neighbourhoods
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.temporal_difference import squared_td_loss
from pilothouse.statistics.crossed import crossed_bootstrap_interval
from pilothouse.statistics.interval import Interval, unknown_interval
from pilothouse.train.dealing import Deal
from pilothouse.train.machine import Build, Lanes, Machine

HELD_OUT = 0.2
"""Share of the episodes that is held out."""
MOST_ROWS = 200_000
"""Rows that are fitted on, at most."""
MOST_OPERATIONS = 5e12
"""Floating-point operations spent on asking one policy what it would do next, at most."""
LEAST_ROWS = 5_000
"""And yet asked at so many rows, which is all that a policy pays for that draws 64 actions by diffusion."""
CHECKED = 500
"""Held-out rows at which errors and distances are measured."""
CHUNK = 32
"""Rows asked at once: a policy that draws 64 actions for each then stays within a cache."""


@dataclass(frozen=True)
class Split:
    """Training rows, and what is held out: rows to check at, and the first observations of the held-out episodes."""

    rows: Batch
    checked: Batch
    trained: Batch
    starts: PyTree
    scale: tuple[float, float]
    """Mean and standard deviation of the training data's discounted returns to go."""
    possible: tuple[float, float]
    """The discounted return of the lowest and of the highest reward for ever."""
    reference: float
    """Mean discounted return of the held-out episodes as recorded, cut where the recording ends."""
    whole: bool
    """False where there is a single episode, so that nothing could be held out."""


@dataclass(frozen=True)
class OfflineEstimate:
    """What the data alone say of some policies, in discounted return.

    - `values`: `[policy, start]`, at the first states of held-out episodes, mean of the two members.
    - `disagreement`: `[policy]`, mean size of the members' difference there.
    - `error`, `trained_error`: `[policy]`, root mean square temporal-difference error at held-out rows and at rows that
      were fitted on, over the spread of the data's returns to go.
    - `departure`: how far each leaves the data; `rows`: how many were fitted on; `remembers`: whether the policy has a
      memory, which a fit on single steps cannot see.
    """

    values: Float[np.ndarray, "policy start"]
    disagreement: Float[np.ndarray, " policy"]
    error: Float[np.ndarray, " policy"]
    trained_error: Float[np.ndarray, " policy"]
    departure: Departure
    possible: tuple[float, float]
    spread: float
    rows: int
    whole: bool = True
    remembers: bool = False

    def doubt(self, policy: int) -> str:
        """The first reason not to trust a policy's estimate; empty when no check failed."""
        values, low, high = self.values[policy], *self.possible
        if not np.isfinite(values).all():
            return "the fit diverged"
        mean = float(values.mean())
        if not low <= mean <= high:
            return f"its value lies outside what the data's rewards allow ({low:.3g} to {high:.3g})"
        if not self.whole:
            return "there is a single episode, so nothing could be held out"
        if self.remembers:
            return "the policy has a memory, which a fit on single steps cannot see"
        if self.departure.doubt(policy):
            return self.departure.doubt(policy)
        if self.disagreement[policy] > 0.2 * max(abs(mean), self.spread):
            return "two fits disagree by more than a fifth"
        if self.error[policy] > max(2.0 * float(self.trained_error[policy]), 0.2):
            return "its temporal-difference error is twice as large on held-out episodes as on those it was fitted on"
        return ""

    def mean(self) -> float:
        """Mean over policies and starts; NaN where a fit diverged."""
        return float(self.values.mean())

    def interval(self) -> Interval:
        """95%, policies (seeds) and start states both drawn again."""
        if not np.isfinite(self.values).all():
            return unknown_interval(0.95)
        return crossed_bootstrap_interval(self.values)


def split_rows(
    rows: Batch, starts: Int[np.ndarray, " episode"], *, discount: float, seed: int = 0, most: int = MOST_ROWS
) -> Split:
    """Split by episode. `rows` in the recipe's units, `starts` where episodes begin."""
    generator = np.random.default_rng(seed)
    count, episodes = len(rows.reward), len(starts)
    order = generator.permutation(episodes)
    whole = episodes > 1
    held = np.zeros(episodes, bool)
    held[order[: min(max(1, round(HELD_OUT * episodes)), episodes - 1)] if whole else order] = True
    episode = np.repeat(np.arange(episodes), np.diff([*starts, count]))
    out = held[episode]
    training = np.flatnonzero(~out) if whole else np.arange(count)
    togo = returns_to_go(rows, starts, discount)
    reward = np.asarray(rows.reward, np.float64)
    ends = sorted((float(reward.min()) / (1 - discount), float(reward.max()) / (1 - discount)))

    def some(places: np.ndarray, at_most: int) -> Batch:
        if len(places) > at_most:
            places = np.sort(generator.choice(places, at_most, replace=False))
        return jax.tree.map(lambda x: np.asarray(x)[places], rows)

    fitted = some(training, most)
    return Split(
        rows=fitted,
        checked=some(np.flatnonzero(out), CHECKED),
        trained=some(training, CHECKED),
        starts=jax.tree.map(lambda x: np.asarray(x)[np.asarray(starts)[held]], rows.obs),
        scale=(float(togo[training].mean()), max(float(togo[training].std()), 1e-6)),
        possible=(min(ends[0], float(reward.min()), 0.0), max(ends[1], float(reward.max()), 0.0)),
        reference=float(togo[np.asarray(starts)[held]].mean()),
        whole=whole,
    )


def returns_to_go(rows: Batch, starts: Int[np.ndarray, " episode"], discount: float) -> Float[np.ndarray, " row"]:
    """Discounted reward from each row to the end of its episode's recording."""
    reward, found = np.asarray(rows.reward, np.float64), np.zeros(len(rows.reward))
    power = discount ** np.asarray(rows.duration, np.float64)
    first = set(np.asarray(starts)[1:].tolist())
    following = 0.0
    for row in range(len(reward) - 1, -1, -1):
        found[row] = following = reward[row] + power[row] * following
        if row in first:
            following = 0.0
    return found


def evaluate_offline(
    build: Build,
    spec: Spec,
    split: Split,
    parts: Mapping[str, PyTree],
    floats: Mapping[str, Any],
    *,
    updates: int = 10_000,
    width: int = 256,
    discount: float = 0.99,
    rate: float = 0.05,
    lr: float = 1e-3,
    batch: int = 256,
    seed: int = 0,
    neighbourhoods: Neighbourhoods | None = None,
) -> OfflineEstimate:
    """Fit one twin critic for each policy (lane) on the training rows, all in one program, and read it off.

    **Arguments:** `build`, `parts`, `floats`: of the studied policies, with a leading axis of policies; `spec`: of the
    source; `split`: of the data in the recipe's units. The slow copy follows by `rate`: with a discount γ a fit needs a
    few times 1 / (rate (1 - γ)) updates.
    """
    unit, lanes = spec.unit(), jax.tree.leaves(dict(parts))[0].shape[0]
    asked = Asked(build, parts, floats, seed)
    rows = _affordable(split.rows, asked, seed)
    count = len(rows.reward)
    answers = asked.at(rows.next_obs, split.starts, split.checked.next_obs, split.trained.next_obs, split.checked.obs)
    given = {"following": jax.tree.map(jnp.asarray, answers[0])}

    def evaluator(mine: Mapping[str, Any]) -> Algorithm:
        del mine
        fit = Fit(
            (Objective(_fitted(split.scale), ("critic",)),),
            Uniform("data", batch, discount),
            after=(follow("critic", "critic/slow", rate),),
        )
        made: dict[str, Any] = {"following": _adopted}
        made |= {"critic": twin_critic(unit, width), "critic/slow": copy_of("critic")}
        return Algorithm.of(parts=made, cycle=(fit,), acts=lambda p: p, optimizer=optax.adam(lr))  # pyright: ignore

    numbered = rows.replace(row=np.arange(count, dtype=np.int32))
    lane_seeds = Lanes.of(range(seed, seed + lanes))
    machine = Machine(evaluator, lane_seeds, fixed={"data": numbered}, cycles=updates, adopt=given)
    machine.advance(updates)
    near = neighbourhoods or Neighbourhoods(unit.obs, unit.action, split.rows)
    values, held, trained = _read_off(machine.state.parts, split, answers, discount)
    return OfflineEstimate(
        values=values.mean(axis=2),
        disagreement=np.abs(values[:, :, 0] - values[:, :, 1]).mean(axis=1),
        error=held,
        trained_error=trained,
        departure=near.departure(split.checked.obs, split.checked.action, answers[4]),
        possible=split.possible,
        spread=split.scale[1],
        rows=count,
        whole=split.whole,
        remembers=asked.remembers(),
    )


def _fitted(scale: tuple[float, float]) -> Loss:
    """Squared error to the slow value of what the studied policy does next, in the scale's units. Trains `critic`."""
    mean, std = scale

    def fitted(parts: Parts, batch: Batch, key: PRNGKeyArray) -> tuple[Scalar, Aux]:
        del key
        following = jax.tree.map(lambda x: x.at[batch.row].get(mode="promise_in_bounds"), parts["following"])
        slow = mean + std * jax.vmap(parts["critic/slow"])(batch.next_obs, following)
        target = (batch.reward[:, None] + batch.discount[:, None] * slow - mean) / std
        q = jax.vmap(parts["critic"])(batch.obs, batch.action)
        loss = sum(squared_td_loss(q[:, i : i + 1], target[:, i]).mean() for i in range(q.shape[1]))
        return jnp.asarray(loss), {}

    return fitted


class Asked:
    """What several policies would do: `asked(obs)` for `obs` `[row, …]` gives actions `[policy, row, …]`."""

    def __init__(self, build: Build, parts: Mapping[str, PyTree], floats: Mapping[str, Any], seed: int):
        self.build, self.parts, self.seed = build, dict(parts), seed
        self.lanes = jax.tree.leaves(self.parts)[0].shape[0]
        self.floats = {name: jnp.asarray(values) for name, values in floats.items()}
        deal = Deal.of(self.lanes, self.parts, {})
        axes = (0, 0, None)
        self._deal = deal
        self._program = jax.jit(deal.program(self._chunks, axes) if deal else jax.vmap(self._chunks, in_axes=axes))
        self._dealt = deal.out((self.parts, self.floats)) if deal else (self.parts, self.floats)

    def _one(self, policy: Any, obs: PyTree, key: PRNGKeyArray) -> PyTree:
        return policy(obs, policy.reset(None, (), key), key)[0]

    def _chunks(self, parts: Any, floats: Any, obs: PyTree) -> PyTree:
        """`obs` is `[chunk, CHUNK, …]`."""
        policy = self.build(floats).acts(parts)
        key = named(jax.random.key(self.seed), "asked")

        def chunk(row: tuple[Array, PyTree]) -> PyTree:
            keys = jax.random.split(jax.random.fold_in(key, row[0]), CHUNK)
            return jax.vmap(partial(self._one, policy))(row[1], keys)

        return jax.lax.map(chunk, (jnp.arange(jax.tree.leaves(obs)[0].shape[0]), obs))

    def __call__(self, obs: PyTree) -> PyTree:
        count = jax.tree.leaves(obs)[0].shape[0]
        chunks = -(-count // CHUNK)
        places = np.minimum(np.arange(chunks * CHUNK), count - 1)
        cut = jax.tree.map(lambda x: np.asarray(x)[places].reshape(chunks, CHUNK, *np.shape(x)[1:]), obs)
        found = self._program(*self._dealt, self._deal.everywhere(cut) if self._deal else cut)
        found = self._deal.back(found) if self._deal else found
        return jax.tree.map(lambda x: np.asarray(x).reshape(self.lanes, -1, *x.shape[3:])[:, :count], found)

    def at(self, *several: PyTree) -> list[PyTree]:
        """Answers to several sets of observations, in one call: a program is compiled for a number of rows."""
        counts = [jax.tree.leaves(obs)[0].shape[0] for obs in several]
        joined = jax.tree.map(lambda *x: np.concatenate([np.asarray(a) for a in x]), *several)
        answers, ends = self(joined), np.cumsum(counts)
        return [
            jax.tree.map(lambda x, a=end - n, b=end: x[:, a:b], answers) for n, end in zip(counts, ends, strict=True)
        ]

    def operations(self, obs: PyTree) -> float:
        """Floating-point operations of one policy's answer to one observation: those of its matrix products."""
        one = jax.tree.map(lambda x: x[0], (self.parts, self.floats))

        def answer(parts: Any, floats: Any, obs: PyTree) -> PyTree:
            return self._one(self.build(floats).acts(parts), obs, jax.random.key(0))

        traced = jax.make_jaxpr(answer)(*one, jax.tree.map(lambda x: np.asarray(x)[0], obs))
        return product_operations(traced.jaxpr)

    def remembers(self) -> bool:
        """Whether the policies carry anything from step to step."""
        one = jax.tree.map(lambda x: x[0], (self.parts, self.floats))
        key = jax.random.key(0)
        return bool(jax.tree.leaves(jax.eval_shape(lambda p, f: self.build(f).acts(p).reset(None, (), key), *one)))


def product_operations(jaxpr: Any) -> float:
    """Floating-point operations of the matrix products in a traced function, loops of known length counted through."""
    total = 0.0
    for equation in jaxpr.eqns:
        inside = (v for p in equation.params.values() for v in (p if isinstance(p, list | tuple) else (p,)))
        traced = [getattr(v, "jaxpr", v) for v in inside]
        inner = sum(product_operations(jaxpr) for jaxpr in traced if hasattr(jaxpr, "eqns"))
        total += inner * (equation.params["length"] if equation.primitive.name == "scan" else 1)
        if equation.primitive.name == "dot_general":
            left = equation.invars[0].aval.shape
            contracted = equation.params["dimension_numbers"][0][0]
            size = float(np.prod([left[i] for i in contracted]))
            total += 2.0 * size * float(np.prod(equation.outvars[0].aval.shape))
    return total


def _affordable(rows: Batch, asked: Asked, seed: int) -> Batch:
    """All rows, or a random sample of them where the policy is costly to ask."""
    count = len(rows.reward)
    most = max(LEAST_ROWS, int(MOST_OPERATIONS / max(asked.operations(rows.next_obs), 1.0)))
    if count <= most:
        return rows
    places = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return jax.tree.map(lambda x: x[places], rows)


def _read_off(
    parts: Mapping[str, Any], split: Split, answers: list[PyTree], discount: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values `[policy, start, member]`, and the errors `[policy]` at held-out rows and at rows that were fitted on."""
    mean, std = split.scale
    _, first, held_next, trained_next, _ = answers

    def q(critic: Any, obs: PyTree, action: PyTree) -> Array:
        return mean + std * jax.vmap(critic)(obs, action)

    def error(critic: Any, slow: Any, rows: Batch, following: PyTree) -> Array:
        rows = with_discount(rows, discount)
        target = rows.reward + rows.discount * q(slow, rows.next_obs, following).mean(axis=1)
        return jnp.sqrt(jnp.square(target - q(critic, rows.obs, rows.action).mean(axis=1)).mean()) / std

    def one(critic: Any, slow: Any, first: PyTree, held: PyTree, trained: PyTree) -> tuple[Array, Array, Array]:
        at_rows = error(critic, slow, split.checked, held), error(critic, slow, split.trained, trained)
        return q(critic, split.starts, first), *at_rows

    found = jax.jit(jax.vmap(one))(parts["critic"], parts["critic/slow"], first, held_next, trained_next)
    values, held, trained = (np.asarray(x, np.float64) for x in found)
    return values, held, trained


def _adopted(key: PRNGKeyArray) -> PyTree:
    raise KeyError("what the policies do next is adopted and never made here")
