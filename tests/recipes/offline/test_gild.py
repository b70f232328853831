"""GILD's pull is learned: beside demonstrations that the critic knows to be poor, it does not lead to them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.recipes.offline.gild import gild

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


class Constant(eqx.Module):
    """An actor that always does the same."""

    action: jax.Array

    def __call__(self, obs: jax.Array) -> Deterministic:
        return Deterministic(self.action)


def critic(obs: jax.Array, action: jax.Array) -> jax.Array:
    """Worth most at 1; what was shown is -1."""
    return jnp.stack([-jnp.sum((action - 1.0) ** 2)] * 2)


def last_fit(**settings: Any) -> Fit:
    return [step for step in gild(width=8, depth=1, **settings).build(SPEC).stages[-1].cycle if isinstance(step, Fit)][
        -1
    ]


@pytest.fixture(scope="module")
def batch() -> Batch:
    obs = jax.random.normal(KEY, (8, 1))
    rows = Batch(obs=obs, action=jnp.full((8, 1), -1.0))
    return Batch(lived=rows, shown=rows, unseen=rows)


def pull_of_the_imitation(fit: Fit, parts: dict, batch: Batch) -> float:
    """Where the actor's action is led beyond where its critic leads it: above 0, up."""

    def led(by: Fit) -> float:
        slope = eqx.filter_grad(lambda actor: by.objectives[1].loss({**parts, "actor": actor}, batch, KEY)[0])
        return float(-slope(parts["actor"]).action[0])

    return led(fit) - led(last_fit(imitation="none"))


def test_the_learned_pull_goes_where_the_value_is_and_cloning_to_what_was_shown(batch: Batch) -> None:
    fit = last_fit(lr=0.05)
    guide: Any = gild(width=8, depth=1).build(SPEC).parts["guide"](KEY)  # type: ignore
    parts = {"actor": Constant(jnp.zeros(1)), "critic": critic}
    judged = fit.objectives[2].loss

    def loss(guide: Any) -> jax.Array:
        return judged({**parts, "guide": guide}, batch, KEY)[0]

    optimizer = optax.adam(0.02)
    state = optimizer.init(eqx.filter(guide, eqx.is_inexact_array))

    @eqx.filter_jit
    def update(guide: Any, state: Any) -> tuple[Any, Any]:
        gradient = eqx.filter_grad(loss)(guide)
        change, state = optimizer.update(gradient, state)
        return eqx.apply_updates(guide, change), state

    before = float(loss(guide))
    for _ in range(100):
        guide, state = update(guide, state)
    assert float(loss(guide)) < min(before, 0.0) - 0.02
    assert pull_of_the_imitation(fit, {**parts, "guide": guide}, batch) > 0.1
    # The baseline's: three times the slope of the squared error, 2 at 0, down towards -1.
    assert pull_of_the_imitation(last_fit(imitation="cloned", pull=3.0), parts, batch) == pytest.approx(-6.0)


def test_the_guide_is_judged_on_rows_that_no_step_saw_and_trained_alone() -> None:
    fit = last_fit(batch=4)
    assert [objective.trains for objective in fit.objectives] == [("critic",), ("actor",), ("guide",)]
    parts = fit.batches.parts  # type: ignore
    assert {name: sampler.reads for name, sampler in parts.items()} == {
        "lived": ("replay",),
        "shown": ("data",),
        "unseen": ("replay",),
    }
    for imitation in ("cloned", "none"):
        assert "guide" not in gild(imitation=imitation).build(SPEC).parts
        assert len(last_fit(imitation=imitation).objectives) == 2
