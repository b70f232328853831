"""The mechanism: directions of the decision's own gradients, not those in which what is observed varies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import PolicyError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.unstable_directions import flips, unstable_directions
from pilothouse.networks.distributions import Categorical
from pilothouse.policies.policy import Mode, Random
from pilothouse.recipes.explain.ra_nld import ra_nld

SPEC = Spec(Box((4,)), Discrete(2))


class Plane:
    def __call__(self, obs):
        return Categorical(jnp.stack([0.0 * obs[0], 2 * obs[3] - obs[2]]))


jax.tree_util.register_static(Plane)


def test_the_first_direction_changes_choices_and_the_widest_direction_does_not() -> None:
    # The first feature varies most and is not read; the decision is by the last two.
    obs = np.random.default_rng(0).normal(size=(300, 4)) * np.array([5.0, 1.0, 0.3, 0.3])
    found = ra_nld(radius=0.1, window=20).build(SPEC)(Mode(Plane()), obs)
    np.testing.assert_allclose(found.directions[0], np.array([0, 0, -1, 2]) / 5**0.5, atol=1e-4)
    assert found.flips > 1.5 * found.flips_at_random > 0 and found.oscillation < 1e-3
    # The baseline: the same eigenvectors of what is observed in place of the gradients.
    rows = jnp.asarray(obs, jnp.float32)

    @jax.jit
    def flipped(rows):
        widest = unstable_directions(rows - rows.mean(axis=0)).directions[:1]
        return flips(lambda seen: Plane()(seen).probs, rows, widest, 0.1)[0]

    assert float(flipped(rows)) < 0.2 * found.flips
    assert found.as_json()["radius"] == pytest.approx(0.1)


def test_a_policy_that_tells_no_probabilities_is_refused() -> None:
    with pytest.raises(PolicyError, match="how likely its choices are"):
        ra_nld().build(SPEC)(Random(SPEC.action), np.zeros((20, 4)))
