"""The sequence actor is causal, blind to padding, and its dropout keeps the mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import Box, Discrete, MultiDiscrete, Spec
from pilothouse.networks.sequence_actor import dropout, sequence_actor

SPEC = Spec(Box((3,)), Box((2,), -1.0, 1.0))
STEPS = 4


def stretch() -> dict[str, jax.Array]:
    draw = np.random.default_rng(0)
    return {
        "to_go": jnp.asarray(draw.normal(size=STEPS), jnp.float32),
        "obs": jnp.asarray(draw.normal(size=(STEPS, 3)), jnp.float32),
        "action": jnp.asarray(draw.uniform(-1, 1, size=(STEPS, 2)), jnp.float32),
        "step": jnp.arange(STEPS),
        "valid": jnp.ones(STEPS, bool),
    }


def test_an_action_sees_what_was_before_it_and_nothing_else() -> None:
    actor = sequence_actor(SPEC, 8, 2, 2, 10)(jax.random.key(0))
    answer = jax.jit(lambda given: actor(**given).value)
    given = stretch()
    before = answer(given)

    def changed(name: str) -> set[int]:
        """The steps whose action differs once this entry of step 2 does."""
        other = {**given, name: given[name].at[2].add(1)}
        return set(np.flatnonzero(np.abs(answer(other) - before).max(axis=1) > 1e-6).tolist())

    assert changed("to_go") == changed("obs") == changed("step") == {2, 3}
    assert changed("action") == {3}  # its own action comes after it


def test_padding_is_attended_to_by_no_one() -> None:
    actor = sequence_actor(SPEC, 8, 2, 1, 10)(jax.random.key(0))
    answer = jax.jit(lambda given: actor(**given).value)
    given = stretch()
    given["valid"] = given["valid"].at[:2].set(False)
    other = {**given, "obs": given["obs"].at[:2].set(9.0), "action": given["action"].at[:2].set(-1.0)}
    np.testing.assert_allclose(answer(given)[2:], answer(other)[2:], atol=1e-6)


def test_steps_beyond_the_longest_share_a_place() -> None:
    actor = sequence_actor(SPEC, 8, 1, 1, 5)(jax.random.key(0))
    given = stretch()
    far = [actor(**{**given, "step": given["step"] + by}).value for by in (4, 40)]
    np.testing.assert_array_equal(*far)


def test_dropout_keeps_the_mean_and_is_off_without_a_key() -> None:
    ones = jnp.ones(200_000)
    dropped = np.asarray(dropout(ones, 0.25, jax.random.key(0)))
    assert set(np.round(dropped, 5)) == {0.0, np.float32(1.33333)}
    assert abs(dropped.mean() - 1.0) < 0.005
    np.testing.assert_array_equal(dropout(ones, 0.25, None), ones)
    np.testing.assert_array_equal(dropout(ones, 0.0, jax.random.key(0)), ones)


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(SettingError, match="heads divide evenly"):
        sequence_actor(SPEC, 8, 1, 3)(jax.random.key(0))
    with pytest.raises(SpaceError, match="Box or Discrete"):
        sequence_actor(Spec(Box((3,)), MultiDiscrete((2, 2))), 8)(jax.random.key(0))
    assert sequence_actor(Spec(Box((3,)), Discrete(4)), 8)(jax.random.key(0)).head.bias.shape == (4,)
