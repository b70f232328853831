"""RLPD: half of every batch is old, the critics cannot run away outside the data, and they move many times a step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Fit
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Mixed, Pooled
from pilothouse.recipes.offline.rlpd import rlpd

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


def fits(**settings: Any) -> list[Fit]:
    return [step for step in rlpd(**settings).build(SPEC).stages[-1].cycle if isinstance(step, Fit)]


def test_half_of_every_batch_is_old_and_the_critics_move_many_times_a_step() -> None:
    critics, both = fits(updates=20, batch=256)
    assert (critics.times, both.times) == (19, 1) and critics.trains == ("critic",)
    assert set(both.trains) == {"critic", "actor", "log_alpha"}
    for fit in (critics, both):
        assert isinstance(fit.batches, Mixed)
        assert [(sampler.reads, sampler.batch) for sampler in fit.batches.samplers] == [
            (("data",), 128),
            (("replay",), 128),
        ]
    (alone,) = fits(updates=1, symmetric=False)
    assert isinstance(alone.batches, Pooled)  # the baseline's: as much of each as there is


def test_critics_level_off_outside_the_data_and_without_layer_norm_they_do_not() -> None:
    """The hidden layer of a normalised critic has a norm that no input can raise."""

    def growth(layer_norm: bool) -> float:
        critic: Any = rlpd(width=16, depth=2, members=2, layer_norm=layer_norm).build(SPEC).parts["critic"](KEY)  # type: ignore
        far = [jnp.abs(critic(jnp.array([scale, -scale]), jnp.array([0.5]))).max() for scale in (1e2, 1e5)]
        return float(far[1] / far[0])

    assert growth(True) < 1.1 and growth(False) > 100
    np.testing.assert_equal(rlpd().settings["layer_norm"], True)
