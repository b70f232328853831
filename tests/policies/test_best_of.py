"""Drawing several and taking the favourite."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.policies.best_of import BestOf, DrawnByValue


class Uniform(eqx.Module):
    def sample(self, obs, key):
        return jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0)


def worth(obs, action):
    """Two members; the lower one peaks at 0.5."""
    return jnp.stack([-jnp.abs(action[0] - 0.5), jnp.float32(9.0)])


def act(number: int, seed: int = 0) -> float:
    policy = BestOf(Uniform(), worth, number)
    return float(policy(jnp.zeros(2), (), jax.random.key(seed))[0][0])


def test_more_draws_come_closer_to_what_the_lower_member_likes() -> None:
    gaps = [np.mean([abs(act(number, seed) - 0.5) for seed in range(20)]) for number in (1, 8, 64)]
    assert gaps[0] > 0.3 and gaps[1] < 0.2 and gaps[2] < 0.03  # mean gap of one draw: 0.625


def test_one_draw_is_the_generator_itself() -> None:
    key = jax.random.key(3)
    alone = Uniform().sample(None, jax.random.split(key, 1)[0])
    np.testing.assert_allclose(act(1, 3), alone[0], rtol=1e-6)


def test_drawing_by_value_follows_the_softmax_of_the_lower_member() -> None:
    policy = DrawnByValue(Uniform(), worth, 2.0, 64)
    keys = jax.random.split(jax.random.key(0), 4_000)
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: policy(jnp.zeros(2), (), key)[0][0]))(keys))
    # Density on [-1, 1] in proportion to exp(-2 |a - 0.5|): its mean by integration.
    grid = np.linspace(-1, 1, 2_001)
    weight = np.exp(-2 * np.abs(grid - 0.5))
    np.testing.assert_allclose(drawn.mean(), (grid * weight).sum() / weight.sum(), atol=0.03)


def test_drawing_without_sharpness_is_the_generator_and_with_much_the_favourite() -> None:
    key = jax.random.key(1)
    best = float(BestOf(Uniform(), worth, 8)(jnp.zeros(2), (), key)[0][0])
    sharp = float(DrawnByValue(Uniform(), worth, 1e6, 8)(jnp.zeros(2), (), key)[0][0])
    assert sharp == best
    keys = jax.random.split(key, 4_000)
    even = jax.jit(jax.vmap(lambda key: DrawnByValue(Uniform(), worth, 0.0, 4)(jnp.zeros(2), (), key)[0][0]))(keys)
    np.testing.assert_allclose([even.mean(), even.std()], [0.0, 3**-0.5], atol=0.04)
