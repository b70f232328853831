"""A sparse mixture of linear experts: one law acts, the likeliest one, scaled by its probability."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.sparse_experts import SparseExperts, sparse_experts

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


@pytest.fixture
def actor() -> SparseExperts:
    """Two experts by hand: the first where x0 > x1."""
    made = SparseExperts(SPEC, 2, key=jax.random.key(0))
    return eqx.tree_at(
        lambda m: (m.router.weight, m.router.bias, m.weight, m.bias),
        made,
        (
            jnp.array([[1.0, 0.0], [0.0, 1.0]]),
            jnp.zeros(2),
            jnp.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 0.0]]]),
            jnp.array([[0.5, 0.0], [0.0, 1.0]]),
        ),
    )


def test_by_hand(actor: SparseExperts) -> None:
    first = actor(jnp.array([2.0, 0.0]))
    share = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(first.mean, [share * 2.5], rtol=1e-6)
    np.testing.assert_allclose(first.log_std, [-1.5], rtol=1e-6)
    second = actor(jnp.array([0.0, 1.0]))
    share = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(second.mean, [share * 2.0], rtol=1e-6)
    np.testing.assert_allclose(second.log_std, [-5.0 + 3.5 * (np.tanh(share) + 1)], rtol=1e-6)
    np.testing.assert_allclose(first.mode(), np.tanh(first.mean), rtol=1e-6)


def test_noise_moves_the_choice_and_by_names_it(actor: SparseExperts) -> None:
    obs = jnp.array([1.0, 0.0])
    noisy = actor(obs, jnp.array([0.0, 3.0]))
    np.testing.assert_allclose(noisy.mean, actor.by(obs, jnp.array(1), jnp.array([0.0, 3.0])).mean)
    assert not np.allclose(noisy.mean, actor(obs).mean)


def test_only_the_picked_expert_learns_and_the_router_learns_through_its_share(actor: SparseExperts) -> None:
    grads = jax.grad(lambda m: m(jnp.array([2.0, 0.5])).mean.sum())(actor)
    assert np.abs(grads.weight[0]).sum() > 0 and np.abs(grads.weight[1]).sum() == 0
    assert np.abs(grads.router.weight).sum() > 0


def test_actions_without_bounds_are_refused() -> None:
    with pytest.raises(SpaceError):
        sparse_experts(Spec(Box((2,)), Discrete(2)))
