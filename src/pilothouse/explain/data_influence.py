"""Which of its data a learned policy's decision rests on: what the decision would be had some rows not been there.

The influence of a row is what its presence adds to the value that is asked about (an entry of an action, the log-odds of
a choice), so that rows above 0 argue for it. For ridge regression that is known exactly, for rows and for whole episodes;
where a loss has a minimum its curvature gives it to first order; for a network that was trained by steps, the gradients
along the way do. `study_influence` tests any of them in the one way that settles it: it leaves episodes out, learns again
and looks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree
from scipy.stats import rankdata

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.objectives.cloning import cloning_loss

RowLoss = Callable[[PyTree, PyTree], Array]
"""`loss(parameters, row) -> scalar`."""

Value = Callable[[PyTree], Array]
"""`value(parameters) -> scalar`: what is asked about."""


def ridge_influence(
    features: Float[np.ndarray, "rows inputs"],
    targets: Float[np.ndarray, " rows"],
    asked: Float[np.ndarray, " inputs"],
    groups: Int[np.ndarray, " rows"],
    *,
    ridge: float,
) -> Float[np.ndarray, " groups"]:
    r"""What each group of rows (an episode) adds to the prediction at `asked`, exactly, in the order of `np.unique`.

    With $H = X^T X + \lambda I$, residuals $r$ and a group's rows $S$: $z^T H^{-1} X_S^T (I - X_S H^{-1} X_S^T)^{-1} r_S$,
    the prediction with all rows minus that of a regression without those of $S$. Nothing is centred.
    """
    curvature = features.T @ features + ridge * np.eye(features.shape[1])
    weights = np.linalg.solve(curvature, features.T @ targets)
    residual, leverage = targets - features @ weights, np.linalg.solve(curvature, features.T)
    found = []
    for one in np.unique(groups):
        mine = groups == one
        own = features[mine]
        rest = np.linalg.solve(np.eye(int(mine.sum())) - own @ leverage[:, mine], residual[mine])
        found.append(asked @ leverage[:, mine] @ rest)
    return np.array(found)


def curvature_influence(
    loss: RowLoss, value: Value, parameters: PyTree, rows: PyTree, *, damping: float
) -> Float[np.ndarray, " rows"]:
    r"""What each row adds to the value, to first order, at the minimum of the summed loss + damping / 2 |parameters|²:
    $-\nabla v^T H^{-1} \nabla l_i$.

    The whole curvature is made: for some thousand parameters at most.

    **Source:** Koh and Liang, "Understanding Black-box Predictions via Influence Functions", arXiv:1703.04730, section 2.
    """
    flat, back = ravel_pytree(parameters)

    @jax.jit
    def program(flat: Array, rows: PyTree) -> Array:
        each = jax.vmap(jax.grad(lambda p, row: loss(back(p), row)), in_axes=(None, 0))(flat, rows)
        curvature = jax.hessian(lambda p: jax.vmap(lambda row: loss(back(p), row))(rows).sum())(flat)
        slope = jax.grad(lambda p: value(back(p)))(flat)
        return each @ jnp.linalg.solve(curvature + damping * jnp.eye(len(flat)), slope)

    return -np.asarray(program(flat, rows), np.float64)


def traced_influence(
    loss: RowLoss, value: Value, checkpoints: PyTree, rates: Float[Array, " checkpoints"], rows: PyTree
) -> Float[np.ndarray, " rows"]:
    r"""What each row added to the value on the way: $-\sum_t \eta_t \nabla v_t^T \nabla l_{t,i}$ over the checkpoints.

    `checkpoints` have a leading axis; a checkpoint's rate is the learning rate, times the steps that it stands for, over
    the number of rows that a step's loss is the mean of.

    **Source:** Pruthi, Liu, Sundararajan and Kale (TracInCP), arXiv:2002.08484, of a value in place of a test loss.
    """

    @jax.jit
    def program(checkpoints: PyTree, rates: Array, rows: PyTree) -> Array:
        def at(parameters: PyTree) -> Array:
            slope = ravel_pytree(jax.grad(value)(parameters))[0]
            each = jax.vmap(lambda row: ravel_pytree(jax.grad(loss)(parameters, row))[0])(rows)
            return each @ slope

        return rates @ jax.lax.map(at, checkpoints)

    return -np.asarray(program(checkpoints, rates, rows), np.float64)


class Cloned(NamedTuple):
    """A cloned actor as influences see it: its `parameters`, the `loss` of a row (a batch of `obs`, `action` and, for
    advantage-weighted cloning, `weight`), and the rest of the network."""

    parameters: PyTree
    loss: RowLoss
    rest: PyTree

    def log_chance(self, obs: PyTree, action: PyTree) -> Value:
        """The value to ask about: the log-probability of an action at an observation (for a deterministic actor minus
        the squared error to it)."""
        return lambda parameters: -_cloning(parameters, self.rest, obs, action)


def of_clone(network: PyTree) -> Cloned:
    """What `curvature_influence` and `traced_influence` need of an actor (or an actor with a value) that was cloned.

    Of offline methods that extract their policy by weighted cloning, give the rows their last weights.
    """
    parameters, rest = eqx.partition(network, eqx.is_inexact_array)

    def loss(parameters: PyTree, row: Batch) -> Array:
        own = _cloning(parameters, rest, row.obs, row.action)
        return row.weight * own if "weight" in row else own

    return Cloned(parameters, loss, rest)


def _cloning(parameters: PyTree, rest: PyTree, obs: PyTree, action: PyTree) -> Array:
    said = eqx.combine(parameters, rest)(obs)
    distribution = said[0] if isinstance(said, tuple) else said
    # The loss is written for batches: a batch of this one row.
    return cloning_loss(jax.tree.map(lambda x: x[None], distribution), jax.tree.map(lambda x: x[None], action))[0]


def by_group(influence: Float[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " groups"]:
    """The sum over each group's rows, in the order of `np.unique`."""
    return np.array([influence[groups == one].sum() for one in np.unique(groups)])


@dataclass(frozen=True)
class Influence:
    """Which groups of rows (episodes) a decision rests on, and how far to trust that.

    `groups` and their `influence`, in the units of what was asked. `left_out`: the groups that were really left out,
    `foretold` and `actual` the change that their presence makes; `fidelity` is the rank correlation of the two, and
    `shuffled` that of the same influences dealt to other groups, at best of 20 deals. `sanity_passed` if the first is
    above it.
    """

    groups: Int[np.ndarray, " groups"]
    influence: Float[np.ndarray, " groups"]
    left_out: Int[np.ndarray, " tested"]
    foretold: Float[np.ndarray, " tested"]
    actual: Float[np.ndarray, " tested"]
    fidelity: float
    shuffled: float
    sanity_passed: bool

    def most(self, count: int) -> Mapping[int, float]:
        """The groups of largest influence, either way, the largest first."""
        order = np.argsort(-np.abs(self.influence), kind="stable")[:count]
        return {int(self.groups[i]): float(self.influence[i]) for i in order}

    def as_json(self) -> dict[str, Any]:
        return plain(self)


def study_influence(
    influence: Float[np.ndarray, " groups"],
    groups: Int[np.ndarray, " groups"],
    asked_without: Callable[[Sequence[int]], float],
    *,
    tested: int = 12,
    seed: int = 0,
) -> Influence:
    """Hold influences against learning again: `asked_without(left out)` learns without those groups and asks.

    The `tested` groups are those of largest influence and as many drawn from the others; one learning each, and one with
    nothing left out.

    **Raises:** `DataError` for fewer than three groups, or influences that do not fit them.
    """
    influence, groups = np.asarray(influence, np.float64), np.asarray(groups)
    if influence.shape != groups.shape or len(groups) < 3:
        raise DataError(f"{len(influence)} influences of {len(groups)} groups; expected one each of at least 3 groups.")
    rng = np.random.default_rng(seed)
    order = np.argsort(-np.abs(influence), kind="stable")
    top = order[: (tested + 1) // 2]
    rest = rng.permutation(order[len(top) :])[: tested - len(top)]
    chosen = np.concatenate([top, rest])
    whole = asked_without(())
    actual = np.array([whole - asked_without((int(groups[i]),)) for i in chosen])
    fidelity = _together(influence[chosen], actual)
    deals = [_together(rng.permutation(influence[chosen]), actual) for _ in range(20)]
    return Influence(
        groups, influence, groups[chosen], influence[chosen], actual, fidelity, max(deals), fidelity > max(deals)
    )


def _together(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one of them never varies."""
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
