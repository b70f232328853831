"""Consistency training by hand with made-up actors, its levels, and what an exact actor leaves to be learned."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.consistency import LEAST, MOST
from pilothouse.objectives.consistency import be_consistent, level_count, noise_level

KEY = jax.random.key(0)
BATCH = Batch(obs=jnp.array([[1.0], [2.0], [3.0]]), action=jnp.array([[0.5], [-0.5], [0.1]]))


class Linear(eqx.Module):
    """Leads back to `slope` times the noisy action, and `push` times its level."""

    slope: Any
    push: Any = 0.0

    def clean(self, obs: Any, noisy: Any, level: Any) -> Any:
        return self.slope * noisy + self.push * level


def at(progress: float, actor: Any, teacher: Any) -> Any:
    return {"actor": actor, "actor/slow": teacher, "clock": {"progress": jnp.float32(progress)}}


def test_levels_go_from_the_least_to_the_most_and_are_more_as_time_goes_by() -> None:
    # Of three, the one in the middle: ((0.002^(1/7) + 80^(1/7)) / 2)^7 = 1.1408^7 = 2.5152.
    np.testing.assert_allclose(noise_level(jnp.arange(3.0), 3), [LEAST, 2.5152, MOST], rtol=1e-3)
    assert [int(level_count(p, 150)) for p in (0.0, 0.25, 1.0)] == [2, 76, 150]  # sqrt(5626 + 3) = 75.03, so 75 + 1
    assert np.all(np.diff([float(level_count(p, 20)) for p in np.linspace(0, 1, 30)]) >= 0)


def test_the_two_levels_are_neighbours_with_the_same_noise_and_the_teacher_has_the_lower() -> None:
    # At first there are two levels: every row has the least for the teacher and the most for the actor.
    noise = np.asarray(jax.random.normal(named(KEY, "noise"), (3, 1)))
    action = np.asarray(BATCH.action)
    gap = 0.25 * (action + MOST * noise) - (2.0 * (action + LEAST * noise) + 3.0 * LEAST)
    parts = at(0.0, Linear(0.25), Linear(2.0, 3.0))
    plain, _ = be_consistent(scaled=False)(parts, BATCH, KEY)
    np.testing.assert_allclose(plain, np.mean(gap**2), rtol=1e-5)
    scaled, aux = be_consistent()(parts, BATCH, KEY)
    np.testing.assert_allclose(scaled, np.mean(gap**2) * 100 / (MOST - LEAST), rtol=1e-5)
    np.testing.assert_allclose(aux["actor/consistency_error"], np.mean(gap**2), rtol=1e-5)
    # The gradient reaches the actor alone: with both alike it is that of 2 * gap * noisy, and none from the lower level.
    slope = jax.grad(lambda w: be_consistent(scaled=False)(at(0.0, Linear(w), Linear(w)), BATCH, KEY)[0])(0.25)
    upper, lower = action + MOST * noise, action + LEAST * noise
    np.testing.assert_allclose(slope, np.mean(2 * 0.25 * (upper - lower) * upper), rtol=1e-5)


def test_in_between_the_neighbours_are_drawn_with_no_weight_on_either_end() -> None:
    many = Batch(obs=jnp.zeros((4000, 1)), action=jnp.zeros((4000, 1)))
    seen = jax.random.uniform(named(KEY, "level"), (4000,))
    number = np.floor(np.asarray(seen) * 4)  # level_count(p, 5) = 5 at the end: four pairs of neighbours
    assert np.bincount(number.astype(int), minlength=4).min() > 900
    upper, lower = (np.asarray(noise_level(jnp.asarray(number + k), 5.0)) for k in (1, 0))
    loss, _ = be_consistent(5, scaled=False)(at(1.0, Linear(0.0, 1.0), Linear(0.0, 1.0)), many, KEY)
    np.testing.assert_allclose(loss, np.mean((upper - lower) ** 2), rtol=1e-4)


def test_an_exact_actor_has_next_to_nothing_to_learn_and_a_wrong_one_much() -> None:
    # Actions N(0, 0.2^2). One action's noise does not follow the equation of all, so that an error remains, but its
    # gradient by the deviation believed in vanishes, as levels are many, where the belief is right.
    many = Batch(obs=jnp.zeros((60_000, 1)), action=0.2 * jax.random.normal(jax.random.key(5), (60_000, 1)))

    class Believes(eqx.Module):
        s: Any

        def clean(self, obs: Any, noisy: Any, level: Any) -> Any:
            return noisy * jnp.sqrt((self.s**2 + LEAST**2) / (self.s**2 + level**2))

    def slope(s: float) -> float:
        teacher = Believes(jnp.float32(s))
        return float(jax.grad(lambda s: be_consistent(40)(at(1.0, Believes(s), teacher), many, KEY)[0])(jnp.float32(s)))

    low, right, high = (slope(s) for s in (0.15, 0.2, 0.3))
    assert low < -3 * abs(right) and high > 3 * abs(right)
