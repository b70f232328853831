import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical, Distribution, Gaussian
from pilothouse.objectives.terms import Evaluated
from pilothouse.objectives.trust_region import bound_by_multiplier, kl_beyond, largest_divergence, multiplier_loss

NATS = st.floats(0.0, 4.0, width=32)


def test_multiplier_loss_by_hand() -> None:
    # The largest is 0.05, three times which is 0.15: an excess of 0.05 over 0.1, at multiplier 2 a loss of -0.1.
    divergence = jnp.array([[0.01, 0.05], [0.0, 0.02]])
    loss = lambda beta, nats: multiplier_loss(beta, nats, bound=0.1, slack=3.0)  # noqa: E731
    np.testing.assert_allclose(loss(jnp.array(2.0), divergence), -0.1, rtol=1e-5)
    slope, no_slope = jax.grad(loss, argnums=(0, 1))(jnp.array(2.0), divergence)
    np.testing.assert_allclose(slope, -0.05, rtol=1e-5)  # descent raises it
    assert not no_slope.any()
    # Without slack the largest is 0.05 within the bound, and descent lowers it as fast.
    within = jax.grad(lambda beta: multiplier_loss(beta, divergence, bound=0.1))(jnp.array(2.0))
    np.testing.assert_allclose(within, 0.05, rtol=1e-5)


@given(largest=NATS, others=st.lists(NATS, max_size=5))
def test_only_the_largest_divergence_moves_the_multiplier(largest: float, others: list[float]) -> None:
    """A law that the mean breaks: states that are nearer count nothing, in whatever order."""
    nearer = [min(largest, other) for other in others]
    alone = multiplier_loss(jnp.ones(()), jnp.array([largest]), bound=0.5, slack=3.0)
    among = multiplier_loss(jnp.ones(()), jnp.array([*nearer, largest]), bound=0.5, slack=3.0)
    np.testing.assert_allclose(among, alone)


def beside(before: Distribution, now: Distribution) -> Evaluated:
    return Evaluated(now, jnp.zeros(2), None, before)


# Means 0 before, 0.2 and 0.6 now, of deviation 1: divergences of half their squares, 0.02 and 0.18.
BEFORE = Gaussian(jnp.zeros((2, 1)), jnp.zeros((2, 1)))
NOW = Gaussian(jnp.array([[0.2], [0.6]]), jnp.zeros((2, 1)))


@pytest.mark.parametrize(("bound", "beyond"), [(0.01, True), (0.1, True), (0.2, False)])
def test_one_state_is_enough_to_be_beyond_the_bound(bound: float, beyond: bool) -> None:
    nats, aux = kl_beyond(bound, said="far")(beside(BEFORE, NOW), Batch())
    np.testing.assert_allclose(nats, [0.02, 0.18], rtol=1e-4)
    assert bool(aux["far"]) is beyond  # their mean is 0.1
    slope = jax.grad(lambda mean: kl_beyond(bound)(beside(BEFORE, Gaussian(mean, NOW.log_std)), Batch())[0].sum())
    np.testing.assert_allclose(slope(NOW.mean), NOW.mean, rtol=1e-5)  # of half the square


def test_the_objective_reads_the_multiplier_and_the_two_policies_and_says_what_it_saw() -> None:
    objective = bound_by_multiplier(lambda parts, batch, key: beside(BEFORE, NOW), 0.1, 3.0, multiplier="dual")
    loss, aux = objective({"dual": jnp.array(2.0)}, Batch(), jax.random.key(0))
    np.testing.assert_allclose(loss, 2 * (0.1 - 3 * 0.18), rtol=1e-4)
    np.testing.assert_allclose((aux["dual"], aux["policy/largest_kl"]), (2.0, 0.18), rtol=1e-4)


def test_largest_divergence_by_hand() -> None:
    # At obs x the odds were even and are e^x to 1. At x = log 3, which the rollout reaches once:
    # KL(before, now) = 1/2 log((1/2) / (3/4)) + 1/2 log((1/2) / (1/4)) = log(4/3) / 2 = 0.1438,
    # where KL(now, before) = 3/4 log(3/2) - 1/4 log 2 = 0.1308. At 0 and at 0.1 it is less.
    def odds(scale: float):
        return lambda obs: (Categorical(jnp.stack([scale * obs[0], jnp.zeros(())])), jnp.zeros(()))

    rollout = Batch(obs=jnp.array([[[0.0], [0.1]], [[jnp.log(3.0)], [0.0]]]))
    parts = {"agent": odds(1.0), "before": odds(0.0), "rollout": rollout}
    np.testing.assert_allclose(largest_divergence(parts), 0.5 * np.log(4 / 3), rtol=1e-5)
    np.testing.assert_allclose(largest_divergence(parts, "before", "agent"), 0.1308, rtol=1e-3)
