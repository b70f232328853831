import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.networks.mlp import orthogonal_matrix


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (64, 64), (3, 64), (64, 3)])
def test_the_shorter_side_is_orthonormal(rows: int, columns: int) -> None:
    found = orthogonal_matrix(rows, columns, key=jax.random.key(0))
    assert found.shape == (rows, columns)
    product = found @ found.T if rows < columns else found.T @ found
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=2e-4)


def test_directions_are_uniform() -> None:
    # Each entry of a uniform orthogonal 4 × 4 matrix has mean 0 and variance 1 / 4.
    many = jax.vmap(lambda key: orthogonal_matrix(4, 4, key=key))(jax.random.split(jax.random.key(1), 4000))
    np.testing.assert_allclose(many.mean(axis=0), 0.0, atol=0.04)
    np.testing.assert_allclose(jnp.var(many, axis=0), 0.25, atol=0.03)
