"""A policy of two choices in one line: the hyperplane between them, found in the space of Shapley values.

States are described by what each feature contributes to the choice; there the two kinds of behaviour part into two
clusters, and the states nearest to the border between these are mapped back to where they came from.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from pilothouse.core.errors import DataError
from pilothouse.core.plain import plain
from pilothouse.policies.policy import Carry, Extra, Memoryless


class LinearChoice(Memoryless):
    """Choice 1 where `weight . obs + shift > 0`, else choice 0."""

    weight: Float[Array, " features"]
    shift: Float[Array, ""]

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        return (jnp.ravel(obs) @ self.weight + self.shift > 0).astype(jnp.int32), carry, {}


@dataclass(frozen=True)
class Boundary:
    """Where one choice turns into the other.

    `policy`: acts by the side of the boundary. `rule`: it in words. `agreement`: share of the observations at which it
    chooses as the policy studied. `points` `(points, features)`: the states that the boundary was drawn through.
    `clusters`: share of the observations at which the clusters in the space of Shapley values are the choices.
    """

    policy: LinearChoice
    rule: str
    agreement: float
    clusters: float
    points: Float[np.ndarray, "points features"]

    def as_json(self) -> dict[str, Any]:
        weight, shift = np.asarray(self.policy.weight).tolist(), float(self.policy.shift)
        return plain(self, "policy") | {"weight": weight, "shift": shift}


def boundary_of(
    obs: Float[np.ndarray, "rows features"],
    shares: Float[np.ndarray, "rows features"],
    chosen: Bool[np.ndarray, " rows"],
    *,
    points: int = 10,
    seed: int = 0,
) -> Boundary:
    """The boundary between two choices, from Shapley values of the probability of one of them.

    Two clusters of `shares`, a linear border of largest margin between them, and through the `points` observations
    nearest to that border the plane that gives the last feature by the others, by least squares. Each side does what
    was `chosen` (1, else 0) more often there.

    Raises `DataError` where there are fewer observations than points, or all have the same shares.

    **Source:** Li, Siddique and Cao, arXiv:2501.09858, and the authors' code.
    """
    if len(obs) < max(points, 2) or np.ptp(shares, axis=0).max() < 1e-9:
        raise DataError(
            f"{len(obs)} observations with {len(np.unique(shares, axis=0))} different explanations; expected at least "
            f"{max(points, 2)} that differ: a policy that always does the same has no boundary."
        )
    cluster = KMeans(2, n_init="auto", random_state=seed).fit(shares).labels_
    border = SVC(kernel="linear", random_state=seed).fit(shares, cluster)
    near = obs[np.argsort(np.abs(border.decision_function(shares)), kind="stable")[:points]]
    weight, shift = _through(near)
    side = obs @ weight + shift > 0
    # Each side does what was done there more often; both alike where one choice prevails on both.
    above, below = (bool(chosen[here].mean() > 0.5) if here.any() else False for here in (side, ~side))
    if above == below:
        weight, shift = 0 * weight, 1.0 if above else -1.0
    elif below:
        weight, shift = -weight, -shift
    policy = LinearChoice(jnp.asarray(weight, jnp.float32), jnp.asarray(shift, jnp.float32))
    same = np.mean((obs @ weight + shift > 0) == chosen)
    matched = np.mean(cluster == chosen)
    return Boundary(policy, in_words(weight, shift), float(same), float(max(matched, 1 - matched)), near)


def _through(points: Float[np.ndarray, "points features"]) -> tuple[Float[np.ndarray, " features"], float]:
    """`weight . obs + shift` is the last feature less what the others say of it: 0 on the plane."""
    plane = LinearRegression().fit(points[:, :-1], points[:, -1]) if points.shape[1] > 1 else None
    if plane is None:
        return np.ones(1), -float(points.mean())
    return np.append(-plane.coef_, 1.0), -float(plane.intercept_)


def in_words(weight: Float[np.ndarray, " features"], shift: float) -> str:
    """Such as "choice 1 where 0.35 x0 - 1.00 x1 + 0.30 > 0, else choice 0"."""
    terms = [f"{'-' if w < 0 else '+'} {abs(w):.3g} x{i}" for i, w in enumerate(weight) if w]
    terms.append(f"{'-' if shift < 0 else '+'} {abs(shift):.3g}")
    return f"choice 1 where {' '.join(terms).removeprefix('+ ')} > 0, else choice 0"
