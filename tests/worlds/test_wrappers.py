import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import MASK, Box, DictSpace, Discrete
from pilothouse.worlds.acrobot import Acrobot
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.host import GymnasiumWorld
from pilothouse.worlds.pendulum import Pendulum
from pilothouse.worlds.registry import world as registered
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.world import World
from pilothouse.worlds.wrappers import (
    FrameStack,
    HostFrameStack,
    frame_stack,
    stacked_space,
    standardised,
    unit_actions,
)

KEY = jax.random.key(0)


def test_unit_actions_reach_the_bounds():
    plain, unit = Pendulum(), unit_actions(Pendulum())
    assert isinstance(unit, World) and unit.spec.action == Box((1,), -1.0, 1.0) and unit.spec.obs == plain.spec.obs
    state, _ = unit.reset((), KEY)
    for ours, theirs in ((1.0, 2.0), (-0.5, -1.0)):
        a, b = unit.step(state, jnp.array([ours]), KEY)[1], plain.step(state, jnp.array([theirs]), KEY)[1]
        np.testing.assert_allclose(a.next_obs, b.next_obs, rtol=1e-6)
    discrete = unit_actions(CartPole())
    assert discrete.spec == CartPole().spec


def test_unit_actions_on_the_host():
    plain, unit = GymnasiumWorld("Pendulum-v1", 2), unit_actions(GymnasiumWorld("Pendulum-v1", 2))
    assert unit.spec.action == Box((1,), -1.0, 1.0) and unit.horizon == 200 and unit.size == 2
    for world in (plain, unit):
        world.reset([0, 1], [0, 1])
    a, b = unit.step(np.array([[1], [-0.5]], np.float32)), plain.step(np.array([[2], [-1]], np.float32))
    np.testing.assert_array_equal(a.next_obs, b.next_obs)
    np.testing.assert_array_equal(unit.history()[1], plain.history()[1])
    np.testing.assert_array_equal(plain.restore(unit.snapshot()), a.next_obs)


def test_a_stack_shows_the_last_observations_oldest_first():
    plain, stack = CartPole(), frame_stack(CartPole(), 3)
    state, obs = stack.reset((), KEY)
    inner, first = plain.reset((), KEY)
    np.testing.assert_array_equal(obs, jnp.concatenate([first] * 3))
    assert stack.spec.obs.shape == (12,) and stack.horizon == 500
    seen = [first] * 3
    for turn in range(5):
        inner, wanted = plain.step(inner, jnp.array(turn % 2), KEY)
        state, outcome = jax.jit(stack.step)(state, jnp.array(turn % 2), KEY)
        seen = [*seen[1:], wanted.next_obs]
        np.testing.assert_allclose(outcome.next_obs, jnp.concatenate(seen), rtol=1e-6)
        assert outcome.reward == wanted.reward
    np.testing.assert_array_equal(stack.render(state), plain.render(state.inner))


def test_the_bounds_of_a_stack_repeat_its_worlds():
    low, high = FrameStack(Acrobot(), 2).spec.obs.bounds()
    one_low, one_high = Acrobot().spec.obs.bounds()
    np.testing.assert_array_equal(low, np.concatenate([one_low] * 2))
    np.testing.assert_array_equal(high, np.concatenate([one_high] * 2))


def test_images_join_their_channels_and_masks_stay():
    space = DictSpace.of(
        {
            "eye": Box((4, 5, 3), 0.0, 255.0, "uint8"),
            "where": Box((2, 2)),
            "place": Discrete(3),
            MASK: Box((3,), 0.0, 1.0),
        }
    )
    stacked = stacked_space(space, 2).spaces
    assert stacked["eye"] == Box((4, 5, 6), 0.0, 255.0, "uint8") and stacked["eye"].is_image
    assert stacked["where"].shape == (8,) and stacked["place"] == Discrete(3) and stacked[MASK].shape == (3,)


def test_a_stack_on_the_host_equals_the_traced_one_in_kind():
    world, plain = frame_stack(GymnasiumWorld("CartPole-v1", 2), 3), GymnasiumWorld("CartPole-v1", 2)
    assert isinstance(world, HostFrameStack) and world.spec.obs.shape == (12,) and world.size == 2
    obs, first = world.reset([0, 1], [0, 1]), plain.reset([0, 1], [0, 1])
    np.testing.assert_array_equal(obs, np.tile(first, (1, 3)))
    seen = [first] * 3
    for turn in range(4):
        actions = np.array([turn % 2, 1])
        seen = [*seen[1:], plain.step(actions).next_obs]
        outcome = world.step(actions)
        np.testing.assert_array_equal(outcome.next_obs, np.concatenate(seen, axis=1))
    # One copy alone is reset; the other keeps its frames.
    fresh = world.reset([1], [7])
    np.testing.assert_array_equal(fresh[0], np.tile(plain.reset([1], [7])[0], 3))
    later = world.step(np.array([0, 0]))
    np.testing.assert_array_equal(later.next_obs[0, :4], seen[1][0])
    np.testing.assert_array_equal(later.next_obs[1, :4], fresh[0, :4])


@pytest.mark.parametrize("order", ["stack of units", "units of stack"])
def test_a_restored_stack_holds_its_frames(order):
    def make():
        inner = GymnasiumWorld("Pendulum-v1", 2)
        return frame_stack(unit_actions(inner), 3) if order == "stack of units" else unit_actions(frame_stack(inner, 3))

    world, again = make(), make()
    world.reset([0, 1], [0, 1])
    for _ in range(5):
        world.step(np.full((2, 1), 0.3, np.float32))
    world.reset([1], [5])
    last = world.step(np.full((2, 1), -0.3, np.float32))
    np.testing.assert_array_equal(again.restore(world.snapshot()), last.next_obs)
    for name, part in world.step(np.zeros((2, 1), np.float32)).items():
        np.testing.assert_array_equal(
            part, again.step(np.zeros((2, 1), np.float32))[name] if name == "next_obs" else part
        )


def test_faulty_stacks_are_refused():
    with pytest.raises(SpaceError, match="Discrete cannot be stacked"):
        frame_stack(Tabular.garnet(3, 2, 1, key=KEY), 2)
    with pytest.raises(SettingError, match="at least 1"):
        frame_stack(CartPole(), 0)
    with pytest.raises(SettingError, match="stack once"):
        frame_stack(frame_stack(CartPole(), 2), 2)


def test_wrappers_hold_arrays_only_and_miss_as_others_do():
    assert jax.tree.leaves(unit_actions(frame_stack(Pendulum(), 2))) == []
    with pytest.raises(AttributeError):
        unit_actions(Pendulum()).no_such_name  # noqa: B018


MEAN, STD = (0.5, -0.25, 2.0), (2.0, 0.5, 4.0)


def test_standardised_observations_are_those_of_the_world_less_a_constant():
    plain, shown = Pendulum(), standardised(unit_actions(Pendulum()), MEAN, STD)
    assert isinstance(shown, World) and shown.spec.action == Box((1,), -1.0, 1.0) and shown.horizon == plain.horizon
    # by hand: cosine in [-1, 1] is shown in [-0.75, 0.25], the rate in [-8, 8] in [-2.5, 1.5]
    low, high = shown.spec.obs.bounds()
    np.testing.assert_allclose([low[0], high[0], low[2], high[2]], [-0.75, 0.25, -2.5, 1.5])
    state, obs = shown.reset((), KEY)
    inner, first = plain.reset((), KEY)
    np.testing.assert_allclose(obs, (first - jnp.array(MEAN)) / jnp.array(STD), rtol=1e-6)
    outcome = jax.jit(shown.step)(state, jnp.array([0.5]), KEY)[1]
    wanted = plain.step(inner, jnp.array([1.0]), KEY)[1]
    np.testing.assert_allclose(outcome.next_obs, (wanted.next_obs - jnp.array(MEAN)) / jnp.array(STD), rtol=1e-5)
    assert outcome.reward == wanted.reward


def test_standardised_on_the_host_and_replayed():
    plain, shown = GymnasiumWorld("Pendulum-v1", 2), standardised(GymnasiumWorld("Pendulum-v1", 2), MEAN, STD)
    first = [world.reset([0, 1], [0, 1]) for world in (plain, shown)]
    np.testing.assert_allclose(first[1] * np.array(STD, np.float32) + np.array(MEAN, np.float32), first[0], rtol=1e-5)
    a, b = (world.step(np.array([[2], [-1]], np.float32)) for world in (plain, shown))
    np.testing.assert_array_equal(b.next_obs, (a.next_obs - np.array(MEAN, np.float32)) / np.array(STD, np.float32))
    np.testing.assert_array_equal(shown.restore(shown.snapshot()), b.next_obs)
    np.testing.assert_array_equal(shown.replay(shown.history(), [0, 1]), b.next_obs)


def test_moments_that_do_not_fit_are_refused():
    with pytest.raises(SpaceError, match="2 and 3 entries"):
        standardised(Pendulum(), MEAN[:2], STD)
    with pytest.raises(SettingError, match="not above 0"):
        standardised(Pendulum(), MEAN, (1.0, 0.0, 1.0))
    with pytest.raises(SpaceError, match="Discrete"):
        standardised(registered("tabular"), (0.0,), (1.0,))
