"""`Explainer`: what recipes return that look at a policy of ours and say why it does what it does."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from pilothouse.policies.policy import Policy


@runtime_checkable
class Explanation(Protocol):
    """A frozen record of plain arrays and numbers."""

    def as_json(self) -> dict[str, Any]: ...


@runtime_checkable
class Explainer(Protocol):
    """`explainer(policy, observations, seed=0) -> explanation`: the observations are flat rows that the policy met.

    The same policy, observations and seed give the same explanation.
    """

    def __call__(self, policy: Policy, observations: Float[np.ndarray, "rows features"], seed: int = 0) -> Any: ...
