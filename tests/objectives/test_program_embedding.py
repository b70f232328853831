"""Learning a space of programs: its loss by hand, term by term."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Gaussian
from pilothouse.objectives.program_embedding import embed_programs, mean_surprise

COUNTS = jnp.array([[True, True, False], [True, False, False]])


def test_mean_surprise_by_hand() -> None:
    # (1 + 2 + 6) / 3 = 3; each entry that counts has slope -1 / 3, the others none.
    log_prob = jnp.array([[-1.0, -2.0, -9.0], [-6.0, -9.0, -9.0]])
    assert mean_surprise(log_prob, COUNTS) == pytest.approx(3.0)
    np.testing.assert_allclose(jax.grad(mean_surprise)(log_prob, COUNTS), np.asarray(COUNTS) / -3.0, rtol=1e-6)
    assert mean_surprise(log_prob, jnp.zeros((2, 3), bool)) == 0


def stand_in(mean: Any) -> Any:
    """Its words are the less likely the larger its mean, whatever the program; its actions are as the program has it."""
    return SimpleNamespace(
        posterior=lambda program: Gaussian(mean, jnp.zeros(2)),
        word_log_probs=lambda latent, program: (-mean[0] * program, program > 0),
        action_log_probs=lambda latent, perceived, acted: -1.0 * acted,
    )


def test_the_loss_by_hand() -> None:
    # Words: (1 + 2 + 3) / 3 = 2 times the mean's first entry, 3. Actions: (2 + 4) / 2 = 3. Divergence of unit normals from
    # the standard one: (9 + 16) / 2 = 12.5. So 6 + 0.5 * 3 + 0.1 * 12.5 = 8.75; slopes: 2 + 0.1 * 3 and 0.1 * 4.
    batch = Batch(
        program=jnp.array([[1, 2, 0], [3, 0, 0]]),
        perceived=jnp.zeros((2, 2, 4)),
        acted=jnp.array([[2, 7], [4, 7]]),
        valid=jnp.array([[True, False], [True, False]]),
    )

    def loss(mean: Any) -> Any:
        return embed_programs(0.1, 0.5)({"embedding": stand_in(mean)}, batch, jax.random.key(0))

    mean = jnp.array([3.0, 4.0])
    value, said = loss(mean)
    assert value == pytest.approx(8.75)
    assert said == {
        "embedding/words": pytest.approx(6.0),
        "embedding/actions": pytest.approx(3.0),
        "embedding/divergence": pytest.approx(12.5),
    }
    np.testing.assert_allclose(jax.grad(lambda mean: loss(mean)[0])(mean), [2.3, 0.4], rtol=1e-5)
