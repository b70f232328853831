"""Many ways: what they pay by hand, who takes them, and that their mean is paid nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.evaluate.scripted_modes import ManyWays, chosen_ways


def test_what_the_ways_pay() -> None:
    # At 0 the four point right, up, left and down; at 1 they are turned by an eighth.
    world, obs = ManyWays(), jnp.zeros(1)
    np.testing.assert_allclose(world.middles(obs), [[0.7, 0], [0, 0.7], [-0.7, 0], [0, -0.7]], atol=1e-6)
    np.testing.assert_allclose(world.middles(jnp.ones(1))[0], 0.7 * np.sqrt([0.5, 0.5]), rtol=1e-5)
    paid = [float(world.reward(obs, jnp.array(a))) for a in ([0.0, -0.7], [-0.7, 0.0], [0.3, -0.7], [0.0, 0.0])]
    np.testing.assert_allclose(paid[:3], [1.0, 0.75, np.exp(-0.5)], rtol=1e-5)
    assert paid[3] < 0.07
    _, outcome = world.step(obs, jnp.array([0.7, 0.0]), jax.random.key(0))
    assert float(outcome.reward) == 0.25 and bool(outcome.terminated) and not bool(outcome.truncated)


def test_the_best_way_is_taken_as_often_as_told() -> None:
    rows = chosen_ways(2000, 0.1).dataset.rows()
    way = np.argmin(
        np.square(np.asarray(jax.vmap(ManyWays().middles)(rows.obs)) - rows.action[:, None]).sum(axis=2), axis=1
    )
    assert 0.04 < np.mean(way == 3) < 0.16 and np.all([np.mean(way == k) > 0.25 for k in range(3)])
    one, two, other = (chosen_ways(20, 0.1, seed=seed).dataset.fingerprint for seed in (1, 1, 2))
    assert one == two != other
