"""A life that is shown in place of the one that is lived, and the test that looks for contradictions."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.guard.illusions import Illusion, detected, surprise
from pilothouse.policies.policy import Memoryless
from pilothouse.rollout.collect import collect_fresh
from pilothouse.worlds.cartpole import CartPole

WORLD = CartPole()


class Upright(Memoryless):
    """Pushes the way that the pole leans."""

    def __call__(self, obs, carry, key):
        return (obs[2] + obs[3] > 0).astype(jnp.int32), carry, {}


def expected(obs, action):
    return WORLD.step(WORLD.state_of(obs), action, jax.random.key(0))[1].next_obs


def test_surprise_by_hand() -> None:
    shown = jnp.array([[[0.0, 1.0]], [[1.0, 1.0]], [[3.0, 0.0]]])  # one episode of three observations
    action = jnp.ones((3, 1))
    # obs + (1, 0) foretells (1, 1), which comes, and (2, 1), where (3, 0) comes: 0 and 1 + 1.
    found = surprise(lambda obs, act: obs + act * jnp.array([1.0, 0.0]), shown, action)
    np.testing.assert_allclose(found, [1.0], rtol=1e-6)


def test_the_area_by_hand_and_at_its_ends() -> None:
    # Of four pairs two are higher and one is a tie.
    np.testing.assert_allclose(detected(jnp.array([1.0, 2.0]), jnp.array([0.0, 2.0])), 0.625)
    assert detected(jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0])) == 1.0
    assert detected(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])) == 0.0
    assert detected(jnp.ones(3), jnp.ones(5)) == 0.5


def test_what_is_shown_holds_together_and_says_nothing_of_what_is_lived() -> None:
    @jax.jit
    def lived(flaw, key):
        return collect_fresh(Illusion(WORLD, flaw)(Upright()), WORLD, (), 6, 8, key)[0]

    rows = lived(0.0, jax.random.key(0))
    np.testing.assert_allclose(surprise(expected, rows["shown"], rows.action), 0.0, atol=1e-9)
    assert np.abs(np.asarray(rows["shown"] - rows.obs)).max() > 0.01  # neither begun alike nor the same after
    assert surprise(expected, rows.obs, rows.action).max() < 1e-9  # the world itself goes on as it must
    spoiled = lived(0.1, jax.random.key(0))
    assert surprise(expected, spoiled["shown"], spoiled.action).min() > 1e-3  # a copy that is wrong shows
    # What the policy does would be the same whatever it saw: the world that it lives in may be another.
    other = collect_fresh(Illusion(WORLD, 0.0)(Upright()), CartPole(gravity=1.0), (), 6, 8, jax.random.key(0))[0]
    np.testing.assert_array_equal(other.action, rows.action)
    np.testing.assert_allclose(other["shown"], rows["shown"], rtol=1e-4, atol=1e-5)
