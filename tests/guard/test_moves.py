"""A policy that is shown moved observations: the box is kept, and aims find the side that serves them."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.guard.moves import Anywhere, Climbed, Harm, Learned, Likeness, Shown
from pilothouse.networks.distributions import Deterministic
from pilothouse.policies.policy import Mode

OBS = jnp.array([1.0, 2.0])
KEYS = jax.random.split(jax.random.key(0), 16)


def summing(obs):
    """An actor: obs . (1, -3)."""
    return Deterministic((obs @ jnp.array([1.0, -3.0]))[None])


def critic(obs, action):
    """Likes large actions; the lower of two members less than the other."""
    return jnp.stack([action[0], 2 * action[0] + 100.0])


def shown(move, radius=0.1):
    def one(key):
        action, _, extra = Shown(Mode(summing), move, radius)(OBS, (), key)
        return action[0], extra["move"]

    return jax.vmap(one)(KEYS)


def test_a_move_is_in_units_of_the_radius_and_kept_within_it() -> None:
    # Moved by 0.1 * (0.5, -1): 1.05 - 3 * 1.9 = -4.65; a network that asks for 7 gets 1.
    action, move = shown(Learned(lambda obs: Deterministic(jnp.array([0.5, -7.0]))))
    np.testing.assert_allclose(action, -4.65, rtol=1e-5)
    np.testing.assert_allclose(move, np.tile([0.05, -0.1], (16, 1)), rtol=1e-5)


def test_a_move_anywhere_is_drawn_anew_each_time_from_all_of_the_box() -> None:
    moves = np.asarray(jax.vmap(lambda key: Anywhere()(OBS, key))(jax.random.split(jax.random.key(1), 1_000)))
    assert np.abs(moves).max() <= 1 and (moves.min(axis=0) < -0.98).all() and (moves.max(axis=0) > 0.98).all()
    assert np.abs(moves.mean(axis=0)).max() < 0.1


def test_harm_makes_the_critic_think_least_of_what_is_done() -> None:
    # The action is -5 + at most 0.1 * (1 + 3): the critic likes large ones, so the least is -5.4.
    action, move = shown(Climbed(Harm(summing, critic), 0.1))
    np.testing.assert_allclose(action, -5.4, rtol=1e-5)
    assert (np.abs(move) <= 0.1 + 1e-6).all()


def test_likeness_goes_as_near_to_the_intention_as_the_box_allows() -> None:
    for wanted, found in {-4.0: -4.6, -9.0: -5.4}.items():
        action, _ = shown(Climbed(Likeness(summing, lambda obs, w=wanted: Deterministic(jnp.array([w]))), 0.1))
        np.testing.assert_allclose(action, found, rtol=1e-5)
