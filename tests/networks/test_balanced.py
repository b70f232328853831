"""A balance as features by hand, where a choice is placed, and that each member is shown its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.actors import gaussian_actor, squashed_gaussian
from pilothouse.networks.balanced import (
    AtChosenBalance,
    balance_features,
    chooser_spec,
    member,
    placed,
    with_balance,
)

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def test_a_balance_is_shown_as_sines_and_cosines() -> None:
    found = balance_features(jnp.float32(3.0))
    angles = [3.0, 3.0 / 10_000 ** (1 / 3), 3.0 / 10_000 ** (2 / 3)]
    wanted = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert with_balance(SPEC).obs.size == 8 and with_balance(SPEC).action == SPEC.action


def test_a_choice_is_placed_between_the_lowest_and_the_highest() -> None:
    choices = jnp.array([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(placed(choices, 2.0, 6.0), [2, 4, 6])
    np.testing.assert_allclose(placed(choices, 3.0, 3.0), [3, 3, 3])


def test_the_member_that_is_chosen_acts() -> None:
    family = gaussian_actor(with_balance(SPEC), 4, 1)(jax.random.key(0))
    chooser = squashed_gaussian(chooser_spec(SPEC), 4, 1)(jax.random.key(1))
    obs = jnp.array([0.5, -1.0])
    policy = AtChosenBalance(family, chooser, 1.0, 5.0)
    balance = 3.0 + 2.0 * chooser(obs).mode()[0]
    np.testing.assert_allclose(policy.balance(obs), balance, rtol=1e-6)
    np.testing.assert_allclose(policy(obs).mode(), member(family, obs, balance).mode(), atol=1e-6)
    assert float(jnp.abs(policy(obs).mode() - member(family, obs, balance - 2).mode()).max()) > 1e-6


def test_only_flat_observations_have_room_for_a_balance() -> None:
    with pytest.raises(SpaceError, match="flat Box"):
        with_balance(Spec(Discrete(3), Box((1,), -1.0, 1.0)))
