"""The losses of an editing policy: a value by hand, where the gradient goes, and the sign of the temperature's."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.objectives.editing import edit_entropy_towards, soft_edit

KEY = jax.random.key(0)
ROWS = Batch(obs=jnp.zeros((3, 1)), action=jnp.array([[0.0], [0.2], [-0.4]]))


def parts(mean=0.3, log_alpha=-1.0):
    return {
        "edit": lambda obs, action: SquashedGaussian(jnp.full(1, mean) + 0 * action, jnp.full(1, -2.0)),
        "critic": lambda obs, action: jnp.array([2.0, 4.0]) * action[0],
        "log_alpha": jnp.float32(log_alpha),
    }


def test_by_hand():
    given = parts()
    found, log_prob = jax.vmap(given["edit"])(ROWS.obs, ROWS.action).sample_and_log_prob(named(KEY, "edit"))
    moved = np.asarray(ROWS.action + 0.5 * found)[:, 0]  # within the bounds; the members' mean is 3 times it
    wanted = np.mean(np.exp(-1.0) * np.asarray(log_prob) - 3 * moved)
    np.testing.assert_allclose(soft_edit(0.5)(given, ROWS, KEY)[0], wanted, rtol=1e-5)


def test_edits_climb_the_critic_as_far_as_they_reach():
    slope = jax.grad(lambda mean, reach: soft_edit(reach)(parts(mean, -20.0), ROWS, KEY)[0])
    near, far = slope(0.3, 0.1), slope(0.3, 0.5)
    assert far < near < 0  # up pays
    np.testing.assert_allclose(far, 5 * near, rtol=1e-3)


def test_the_temperature_rises_while_there_is_too_little_entropy():
    def slope(target):
        return jax.grad(lambda a: edit_entropy_towards(target)(parts() | {"log_alpha": a}, ROWS, KEY)[0])(
            jnp.float32(0.0)
        )

    assert slope(10.0) < 0 < slope(-10.0)
