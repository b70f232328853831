import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import SettingError
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import action_values, expected_return, optimal, values

KEY = jax.random.key(0)


def random_policy(states: int, actions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(actions), states)


def test_two_states_by_hand():
    # State 0 pays 1 and stays, or pays 0 and goes to state 1, which pays 3 for ever. Discount 0.5.
    # Always staying is worth 1 / 0.5 = 2, going 0.5 * 3 / 0.5 = 3, staying once and then going 1 + 0.5 * 3 = 2.5.
    transition = np.array([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], float)
    place = Tabular.of(transition, [[1, 0], [3, 3]])
    np.testing.assert_allclose(values(place, np.array([[1, 0], [1, 0.0]]), discount=0.5), [2, 6])
    best = optimal(place, discount=0.5)
    np.testing.assert_allclose(best.value, [3, 6])
    np.testing.assert_allclose(best.action_value, [[2.5, 3], [6, 6]])
    assert best.best.tolist() == [1, 0]


def test_a_terminal_state_is_worth_nothing():
    transition = np.array([[[0, 1]], [[0, 1]]], float)
    place = Tabular.of(transition, [[1], [100]], terminal=[False, True])
    np.testing.assert_allclose(values(place, np.ones((2, 1)), discount=0.9), [1, 0])


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), discount=st.sampled_from([0.0, 0.5, 0.95]))
def test_values_satisfy_bellman_and_no_policy_beats_the_optimum(seed, discount):
    place = Tabular.garnet(6, 3, 2, terminals=1, key=jax.random.key(seed))
    policy = random_policy(6, 3, seed)
    q, v = action_values(place, policy, discount=discount), values(place, policy, discount=discount)
    np.testing.assert_allclose((policy * q).sum(1), v, atol=1e-9)
    best = optimal(place, discount=discount)
    assert (best.value >= v - 1e-9).all()
    np.testing.assert_allclose(best.action_value.max(1), best.value, atol=1e-9)


def test_values_equal_the_mean_of_long_rollouts():
    place = Tabular.garnet(5, 2, 3, terminals=1, horizon=10_000, key=jax.random.key(3))
    policy, discount = random_policy(5, 2, 0), 0.8

    def episode(key):
        def one(carry, step_key):
            state, alive, weight = carry
            act, move = jax.random.split(step_key)
            action = jax.random.categorical(act, jnp.log(jnp.asarray(policy))[state.place])
            state, outcome = place.step(state, action, move)
            return (state, alive & ~outcome.terminated, weight * discount), outcome.reward * weight * alive

        start, loop = jax.random.split(key)
        state, _ = place.reset((), start)
        return jax.lax.scan(one, (state, jnp.array(True), jnp.array(1.0)), jax.random.split(loop, 60))[1].sum()

    returns = np.asarray(jax.jit(jax.vmap(episode))(jax.random.split(KEY, 20_000)), np.float64)
    error = returns.std() / np.sqrt(len(returns))
    assert abs(returns.mean() - expected_return(place, policy, discount=discount)) < 4 * error


def test_faulty_settings_are_refused():
    place = Tabular.garnet(3, 2, 1, key=KEY)
    with pytest.raises(SettingError, match="discount=1"):
        optimal(place, discount=1.0)
    with pytest.raises(SettingError, match="expected \\(3, 2\\)"):
        values(place, np.ones((2, 3)), discount=0.9)
