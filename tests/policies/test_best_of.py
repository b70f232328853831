"""Drawing several and taking the favourite."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.policies.best_of import BestOf


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
