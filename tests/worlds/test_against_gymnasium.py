"""Each JAX world beside Gymnasium's own: same state, same action, same next state, reward and end."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.gymnasium_spaces import from_gymnasium
from pilothouse.worlds.acrobot import Acrobot
from pilothouse.worlds.cartpole import CartPole
from pilothouse.worlds.mountain_car_continuous import MountainCarContinuous
from pilothouse.worlds.pendulum import Pendulum

PAIRS = {
    "CartPole-v1": (CartPole(), [-2.6, -3, -0.25, -3], [2.6, 3, 0.25, 3]),
    "Pendulum-v1": (Pendulum(), [-9.0, -8], [9.0, 8]),
    "Acrobot-v1": (Acrobot(), [-np.pi, -np.pi, -4 * np.pi, -9 * np.pi], [np.pi, np.pi, 4 * np.pi, 9 * np.pi]),
    "MountainCarContinuous-v0": (MountainCarContinuous(), [-1.2, -0.07], [0.6, 0.07]),
}
STATES = 300


def theirs(name: str, states: np.ndarray, actions: list):
    """Gymnasium's outcome from each state, one after another."""
    env = gymnasium.make(name, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    rows = []
    for state, action in zip(states, actions, strict=True):
        env.state, env.steps_beyond_terminated = state.astype(np.float64), None
        obs, reward, terminated, _, _ = env.step(action)
        rows.append((obs, reward, terminated, np.array(env.state)))
    return [np.array(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("name", PAIRS)
def test_a_step_equals_gymnasiums(name):
    world, low, high = PAIRS[name]
    random = np.random.default_rng(7)
    states = random.uniform(low, high, (STATES, len(low))).astype(np.float32)
    if world.spec.action.kind == "Discrete":
        actions = random.integers(0, world.spec.action.n, STATES)
    else:  # beyond the bounds too: clipping is part of the dynamics
        actions = random.uniform(-3, 3, (STATES, 1)).astype(np.float32)
    obs, reward, terminated, after = theirs(name, states, list(actions))
    state, outcome = jax.vmap(lambda s, a: world.step(world.state_of(s), a, jax.random.key(0)))(states, actions)
    np.testing.assert_array_equal(outcome.terminated, terminated)
    assert 0 < terminated.sum() < STATES or name == "Pendulum-v1"
    np.testing.assert_allclose(outcome.reward, reward, rtol=1e-5, atol=1e-5)
    # Acrobot's velocities pass through accelerations of hundreds within its one Runge-Kutta step.
    tolerance = 3e-4 if name == "Acrobot-v1" else 3e-5
    np.testing.assert_allclose(outcome.next_obs, obs, rtol=2e-5, atol=tolerance)
    if name == "Acrobot-v1":  # an angle may be turned to either end of [-pi, pi]
        np.testing.assert_allclose(np.cos(state.body[:, :2]), np.cos(after[:, :2]), atol=3e-5)
    else:
        np.testing.assert_allclose(state.body, after, rtol=2e-5, atol=2e-5)
    assert not outcome.truncated.any()


@pytest.mark.parametrize("name", PAIRS)
def test_spaces_and_time_limit_are_gymnasiums(name):
    world, _, _ = PAIRS[name]
    env = gymnasium.make(name)
    assert world.horizon == env.spec.max_episode_steps
    assert world.spec.action == from_gymnasium(env.action_space)
    for ours, other in zip(world.spec.obs.bounds(), from_gymnasium(env.observation_space).bounds(), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_starts_lie_where_gymnasiums_do(name):
    world, _, _ = PAIRS[name]
    env = gymnasium.make(name)
    own = np.array([env.reset(seed=seed)[0] for seed in range(300)])
    _, obs = jax.vmap(lambda key: world.reset((), key))(jax.random.split(jax.random.key(0), 3000))
    spread = own.max(0) - own.min(0)
    np.testing.assert_allclose(obs.min(0), own.min(0), atol=0.05 * spread.max() + 1e-6)
    np.testing.assert_allclose(obs.max(0), own.max(0), atol=0.05 * spread.max() + 1e-6)


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCarContinuous-v0"])
def test_a_whole_episode_follows_gymnasiums(name):
    world, _, _ = PAIRS[name]
    env = gymnasium.make(name, disable_env_checker=True)
    obs, _ = env.reset(seed=3)
    state = world.state_of(jnp.asarray(obs))
    env.unwrapped.state = np.asarray(obs, np.float64)
    step = jax.jit(lambda s, a: world.step(s, a, jax.random.key(0)))
    for turn in range(world.horizon):
        # A controller that keeps the pole up for a while; a push along the velocity, which climbs the hill.
        # Not for long: upright is unstable, and there rounding grows without bound.
        if name == "CartPole-v1":
            action = int(turn > 40 or obs[2] + obs[3] > 0)
        else:
            action = np.sign(obs[1:2]).astype(np.float32)
        obs, reward, terminated, truncated, _ = env.step(action)
        state, outcome = step(state, action)
        np.testing.assert_allclose(outcome.next_obs, obs, rtol=1e-3, atol=2e-3)
        assert (bool(outcome.terminated), bool(outcome.truncated)) == (terminated, truncated), turn
        np.testing.assert_allclose(outcome.reward, reward, atol=1e-4)
        if terminated or truncated:
            break
    assert turn > 20
