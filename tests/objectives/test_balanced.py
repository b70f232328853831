"""The family's and the chooser's losses by hand, with members whose action is their balance's first cosine."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian, SquashedGaussian
from pilothouse.objectives.balanced import choose_balance, clone_as_family

KEY = jax.random.key(0)
BATCH = Batch(obs=jnp.array([[0.0], [1.0]]), action=jnp.array([[0.5], [-0.5]]), reward=jnp.zeros(2))
NARROW = jnp.array([-9.0])


def family(seen):  # noqa: ANN001, ANN201
    """Standard deviation 1 around the sine of the balance (the feature after the observation's one entry)."""
    return Gaussian(seen[1:2], jnp.zeros(1), 1)


def parts(choice: float):  # noqa: ANN201
    return {
        "family": family,
        "chooser": lambda obs: SquashedGaussian(jnp.array([choice]), NARROW, 1),
        "critic/slow": lambda obs, action: jnp.array([action[0] + 2, action[0] + 9]),
        "value": lambda obs: 2.0 + 0 * obs[0],
        "log_alpha": jnp.log(0.0),
    }


def test_each_row_is_cloned_with_the_sharpness_that_its_member_is_shown() -> None:
    # All at balance 2: advantages 0.5 and -0.5 weigh e and 1/e; log-densities around sin 2.
    sine = np.sin(2.0)
    density = [0.5 * (a - sine) ** 2 + 0.5 * np.log(2 * np.pi) for a in (0.5, -0.5)]
    wanted = (np.e * density[0] + density[1] / np.e) / 2
    for chosen in (False, True):
        loss, aux = clone_as_family(2.0, 2.0, chosen=chosen)(parts(0.3), BATCH, KEY)
        np.testing.assert_allclose(loss, wanted, rtol=1e-4)
        np.testing.assert_allclose(aux["family/balance_mean"], 2.0, rtol=1e-6)


def test_balances_are_drawn_evenly_until_they_are_chosen() -> None:
    many = Batch(obs=jnp.zeros((4_000, 1)), action=jnp.zeros((4_000, 1)), reward=jnp.zeros(4_000))
    drawn = clone_as_family(1.0, 5.0, chosen=False)(parts(5.0), many, KEY)[1]["family/balance_mean"]
    np.testing.assert_allclose(drawn, 3.0, atol=0.1)
    chosen = clone_as_family(1.0, 5.0, chosen=True)(parts(5.0), many, KEY)[1]["family/balance_mean"]
    np.testing.assert_allclose(chosen, 3.0 + 2 * np.tanh(5.0), atol=1e-3)


def test_the_chooser_goes_where_the_member_earns_more() -> None:
    # Balance 1 + (tanh(c) + 1) / 2 at c = 0: 1.5. The value of the member's action rises with sin(balance): its slope by c
    # is cos(1.5) * 0.5, whatever the action's own draw; temperature 0.
    def loss(choice):  # noqa: ANN001, ANN202
        return choose_balance(1.0, 2.0)(parts(choice), BATCH, KEY)[0]

    value, slope = jax.value_and_grad(loss)(jnp.float32(0.0))
    np.testing.assert_allclose(slope, -0.5 * np.cos(1.5), rtol=1e-3)
    assert float(value) < 2.0
