"""SGQN: which of its two losses teaches what, in the recipe as it is wired; and four pushes in place of two numbers."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.augmentation import Overlaid, Shifted
from pilothouse.recipes.robustness.sgqn import sgqn
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.wrappers import Choices

KEY = jax.random.key(0)
SPEC = Spec(Box((8, 8, 1), 0, 255, "uint8"), Discrete(2))
TINY = {"batch": 4, "width": 4, "depth": 1, "channels": 2, "features": 3, "pad": 1, "quantile": 0.9}


def size(tree: Any) -> float:
    return float(
        sum(np.abs(np.asarray(leaf)).sum() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))
    )


def test_each_loss_teaches_its_own_and_without_their_weights_it_is_deep_q_learning() -> None:
    algorithm = sgqn(**TINY).build(SPEC)
    fit = algorithm.stages[-1].cycle[-1]
    assert isinstance(fit.batches, Overlaid) and isinstance(fit.batches.inner, Shifted)
    critic = algorithm.parts["critic"](KEY)
    # Open units only, so that every pixel counts: positive weights and pictures.
    critic, saliency = jax.tree.map(jnp.abs, (critic, algorithm.parts["saliency"](KEY)))
    slow = jax.tree.map(lambda x: 0.5 * x, critic)
    obs = jax.random.randint(KEY, (4, 8, 8, 1), 0, 255).astype(jnp.uint8)
    rows = Batch(
        obs=obs, next_obs=obs[::-1], mixed=0.5 * obs.astype(jnp.float32), action=jnp.array([0, 1, 0, 1]),
        reward=jnp.arange(4.0), discount=jnp.full(4, 0.9),
    )  # fmt: skip

    @jax.jit
    def taught(consistency: Any, attribution: Any) -> Any:
        floats = {"consistency": consistency, "attribution": attribution}
        objectives = sgqn(**TINY).build(SPEC, floats).stages[-1].cycle[-1].objectives

        def total(parts: Any) -> Any:
            parts = {**parts, "critic/slow": slow}
            return sum(one.weight * one.loss(parts, rows, KEY)[0] for one in objectives)

        return jax.grad(total)({"critic": critic, "saliency": saliency})

    plain, consistent, telling = taught(0.0, 0.0), taught(0.5, 0.0), taught(0.0, 1.0)
    assert size(plain["saliency"]) == 0 == size(consistent["saliency"]) and size(telling["saliency"]) > 0
    apart = jax.tree.map(jnp.subtract, consistent["critic"], plain["critic"])
    assert size(apart.encoder) > 1e-3 and size(apart.head) > 1e-3  # values under the mask count
    apart = jax.tree.map(jnp.subtract, telling["critic"], plain["critic"])
    assert size(apart.encoder) > 1e-6 and size(apart.head) < 1e-6  # telling teaches what finds features, and no value


def test_choices_are_the_actions_that_they_name() -> None:
    plain, four = Pendulum(), Choices(Pendulum(), ((-2.0,), (0.5,)))
    assert four.spec == Spec(plain.spec.obs, Discrete(2)) and four.horizon == 200
    state, obs = four.reset((), KEY)
    np.testing.assert_array_equal(obs, plain.reset((), KEY)[1])
    for choice, push in enumerate((-2.0, 0.5)):
        ours, theirs = four.step(state, jnp.array(choice), KEY)[1], plain.step(state, jnp.array([push]), KEY)[1]
        np.testing.assert_allclose(ours.next_obs, theirs.next_obs, rtol=1e-6)
    for wrong in ((), ((1.0, 2.0),)):
        with pytest.raises(SettingError, match="each of 1 numbers"):
            Choices(Pendulum(), wrong)
