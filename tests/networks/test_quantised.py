"""Actions as codes: the nearest entry by hand, what a code stands for, and who sees the observation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.quantised import action_quantiser, in_codes

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
OBS = jnp.array([0.5])


def by_hand(*, conditioned: bool) -> Any:
    """Embedding (obs + action, action), entries (0, 0), (1, 1), (1, 0); an entry stands for tanh(obs + e0 - e1)."""
    model = action_quantiser(SPEC, 3, 2, 4, 0, conditioned=conditioned)(jax.random.key(0))
    return eqx.tree_at(
        lambda m: (
            *(getattr(net.layers[0], name) for net in (m.recognise, m.generate) for name in ("weight", "bias")),
            m.codebook,
        ),
        model,
        (
            jnp.array([[1.0, 0.0], [1.0, 1.0]]), jnp.zeros(2), jnp.array([[1.0], [1.0], [-1.0]]), jnp.zeros(1),
            jnp.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]),
        ),
    )  # fmt: skip


def test_codes_by_hand() -> None:
    model = by_hand(conditioned=True)
    # (0.5 + 0.3, 0.3): squared distances 0.73, 0.53, 0.13. (0.5 + 0.9, 0.9): 2.77, 0.17, 0.97. (0.1, -0.4): 0.17, ...
    found = [int(model.code(OBS, jnp.array([action]))) for action in (0.3, 0.9, -0.4)]
    assert found == [2, 1, 0]
    decoded = [float(model.decode(OBS, jnp.int32(code))[0]) for code in range(3)]
    np.testing.assert_allclose(decoded, np.tanh([0.5, 0.5, 1.5]), rtol=1e-6)
    plain = by_hand(conditioned=False)  # (0.3, 0.3): the entry at 0; and no observation in what it stands for
    assert int(plain.code(OBS, jnp.array([0.3]))) == 0
    np.testing.assert_allclose(plain.decode(OBS, jnp.int32(2)), np.tanh([1.0]), rtol=1e-6)
    np.testing.assert_array_equal(plain.decode(-OBS, jnp.int32(2)), plain.decode(OBS, jnp.int32(2)))


def test_codes_are_choices_and_actions_need_bounds() -> None:
    assert in_codes(SPEC, 5).action == Discrete(5) and in_codes(SPEC, 5).obs == SPEC.obs
    with pytest.raises(SpaceError, match="finite bounds"):
        action_quantiser(Spec(Box((2,)), Box((1,))), 4)
