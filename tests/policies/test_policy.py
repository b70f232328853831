"""The protocol, and acting with an actor."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.networks.actors import Actor
from pilothouse.policies.policy import Mode, Policy, Random, Sampled, mode_of, sampled, uniform_over

KEY = jax.random.key(0)
SPEC = Spec(Box((2,)), DictSpace.of({"gear": Discrete(3), "wheel": Box((2,), -1.0, 1.0)}))
ACTOR = Actor(SPEC, 4, 1, key=KEY)
OBS = jnp.array([0.5, -1.0])


def test_policies_answer_the_protocol_and_remember_nothing() -> None:
    for policy in (Sampled(ACTOR), Mode(ACTOR), Random(SPEC.action)):
        assert isinstance(policy, Policy)
        assert policy.reset("the last episode's", {"any": "task"}, KEY) == ()
        assert policy(OBS, (), KEY)[1] == ()


def test_a_sample_remembers_its_own_log_probability() -> None:
    action, _, extra = Sampled(ACTOR)(OBS, (), KEY)
    np.testing.assert_allclose(extra["log_prob"], ACTOR(OBS).log_prob(action), rtol=1e-6)
    again, _, _ = Sampled(ACTOR)(OBS, (), KEY)
    jax.tree.map(np.testing.assert_array_equal, action, again)
    other, _, _ = Sampled(ACTOR)(OBS, (), jax.random.key(1))
    assert not np.array_equal(action["wheel"], other["wheel"])


def test_the_mode_needs_no_key_and_nothing_is_likelier() -> None:
    action, _, extra = Mode(ACTOR)(OBS, (), KEY)
    assert extra == {}
    jax.tree.map(np.testing.assert_array_equal, action, Mode(ACTOR)(OBS, (), jax.random.key(1))[0])
    log_prob = jax.jit(lambda key: ACTOR(OBS).log_prob(ACTOR(OBS).sample(key)))
    likeliest = ACTOR(OBS).log_prob(action)
    assert all(log_prob(jax.random.key(seed)) <= likeliest for seed in range(20))


@pytest.mark.parametrize(
    "space", [Box((2,), (-1.0, 0.0), (2.0, 0.5)), Discrete(3), MultiDiscrete((2, 4)), SPEC.action], ids=str
)
def test_random_actions_cover_their_space_and_stay_within(space: Space) -> None:
    draws = jax.vmap(lambda key: Random(space)(OBS, (), key)[0])(jax.random.split(KEY, 400))

    def check(space: Any, draws: Any) -> None:
        if isinstance(space, DictSpace):
            for name, inner in space.items:
                check(inner, draws[name])
        elif isinstance(space, Box):
            low, high = space.bounds()
            assert (draws >= low).all() and (draws <= high).all()
            # Of 400 uniform draws none falls into the outer 5% once in 1e9.
            assert (draws.min(0) < low + 0.05 * (high - low)).all() and (
                draws.max(0) > high - 0.05 * (high - low)
            ).all()
        else:
            choices = np.atleast_1d(getattr(space, "nvec", getattr(space, "n", 0)))
            for column, number in zip(np.asarray(draws).reshape(400, -1).T, choices, strict=True):
                assert set(column) == set(range(number))

    check(space, draws)


@pytest.mark.parametrize(
    ("space", "mask", "allowed"),
    [
        (Discrete(4), [0, 1, 0, 1], [{1, 3}]),
        (MultiDiscrete((2, 3)), [0, 1, 1, 0, 1], [{1}, {0, 2}]),
        (SPEC.action, [1, 0, 1], [{0, 2}]),
        (Box((2,), -1.0, 1.0), [], []),
    ],
    ids=str,
)
def test_random_actions_are_all_those_that_a_mask_allows(space: Any, mask: list[int], allowed: list[set[int]]) -> None:
    obs = {"far": OBS, MASK: jnp.array(mask, jnp.int8)}
    draws: Any = jax.vmap(lambda key: Random(space)(obs, (), key)[0])(jax.random.split(KEY, 400))
    if isinstance(space, DictSpace):
        wheel = np.asarray(draws["wheel"])
        assert wheel.min() < -0.9 and wheel.max() > 0.9  # boxes are drawn as without a mask
        draws = draws["gear"]
    if allowed:
        columns = np.asarray(draws).reshape(400, -1).T
        assert [set(column.tolist()) for column in columns] == allowed
        assert all(
            min((column == one).mean() for one in set(column)) > 0.4 or len(set(column)) == 1 for column in columns
        )
    else:
        plain = jax.vmap(lambda key: Random(space)(OBS, (), key)[0])(jax.random.split(KEY, 400))
        np.testing.assert_array_equal(draws, plain)


def test_factories_read_their_part_when_called() -> None:
    parts = {"actor": ACTOR, "other": Actor(SPEC, 4, 1, key=jax.random.key(9))}
    for made, plain in ((mode_of, Mode), (sampled, Sampled)):
        for name in parts:
            found, expected = made(name)(parts)(OBS, (), KEY)[0], plain(parts[name])(OBS, (), KEY)[0]
            jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert 0 <= int(uniform_over(Discrete(3))({})(OBS, (), KEY)[0]) < 3
    with pytest.raises(KeyError):
        mode_of("actr")(parts)
