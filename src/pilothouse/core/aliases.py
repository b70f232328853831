"""Names for the types that every room speaks of."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.batch import Batch

Parts = Mapping[str, PyTree]
"""Everything with a lifetime, by name: networks, slow copies, duals, statistics, stores, archives, the world's state.

The loop adds read-only names: `clock`, and each fixed dataset by its name.
"""

Scalar = Float[Array, ""]

Aux = dict[str, Any]
"""What a loss says beside its value. Scalars are metrics; arrays with the batch's leading axis are feedback for rules."""

Loss = Callable[[Parts, Batch, PRNGKeyArray], tuple[Scalar, Aux]]
"""`loss(parts, batch, key) -> (scalar, aux)`: pure, averaged over the batch."""

Initialise = Callable[[PRNGKeyArray], PyTree]
"""How a part is made: from a key alone."""
