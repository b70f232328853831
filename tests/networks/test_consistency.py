"""Consistency policies: the border where nothing is changed, and what an exact one draws."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.consistency import LEAST, consistency_actor

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), Box((1, 3), -1.0, 1.0))


def test_the_least_noise_is_left_as_it_is_and_the_action_has_its_shape() -> None:
    actor = consistency_actor(SPEC, 8, 1)(KEY)
    noisy = jnp.array([[0.3, -2.0, 0.9]])
    np.testing.assert_allclose(actor.clean(jnp.ones(2), noisy, jnp.float32(LEAST)), noisy, rtol=1e-6)
    action = actor.sample(jnp.ones(2), KEY)
    assert action.shape == (1, 3) and np.abs(action).max() <= 1


def test_what_the_network_adds_by_hand() -> None:
    # At level 1.202 with a network that says its second input (an action's entry, scaled by sqrt(0.25 + 1.202^2)) and
    # one that says 1: f = 0.25 / (1.2^2 + 0.25) * x + 0.5 * 1.2 / sqrt(1.202^2 + 0.25) * F.
    actor = consistency_actor(Spec(Box((1,)), Box((1,), -1.0, 1.0)), 4, 1)(KEY)
    scale = np.sqrt(0.25 + 1.202**2)
    for net, said in ((lambda x: x[1:2], 0.8 / scale), (lambda x: x[2:], np.log(1.202) / 4)):
        found = eqx.tree_at(lambda a: a.net, actor, net).clean(jnp.zeros(1), jnp.array([0.8]), jnp.float32(1.202))
        np.testing.assert_allclose(found, [0.25 / 1.69 * 0.8 + 0.6 / scale * said], rtol=1e-5)


def exactly(x: Any) -> Any:
    """What the network has to say for the consistency function of N(0.1, 0.2^2), which shrinks the way to the mean.

    Noise of level t makes it N(0.1, 0.2^2 + t^2), so that it shrinks by the root of the ratio of the variances.
    """
    level = jnp.exp(4 * x[2:])
    both = jnp.sqrt(0.25 + level**2)
    noisy = x[1:2] * both
    wanted = 0.1 + (noisy - 0.1) * jnp.sqrt((0.04 + LEAST**2) / (0.04 + level**2))
    return (wanted - 0.25 / ((level - LEAST) ** 2 + 0.25) * noisy) * both / (0.5 * (level - LEAST))


@pytest.mark.parametrize("evaluations", [1, 3])
def test_however_many_evaluations_an_exact_one_draws_from_the_data(evaluations: int) -> None:
    actor = consistency_actor(Spec(Box((1,)), Box((1,), -1.0, 1.0)), 4, 1, evaluations)(KEY)
    exact = eqx.tree_at(lambda a: a.net, actor, exactly)
    drawn = jax.vmap(lambda key: exact.sample(jnp.zeros(1), key))(jax.random.split(KEY, 8000))
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0.1, 0.2], atol=0.01)


def test_other_actions_are_refused() -> None:
    with pytest.raises(SpaceError, match="A consistency actor"):
        consistency_actor(Spec(Box((2,)), Discrete(3)))
