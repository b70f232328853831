"""Being held to the nearest pair in the data."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.batch import Batch
from pilothouse.core.keys import named
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.dataset_constraint import _first_least, nearest_action, td3_near_data

OBS, ACTION = jnp.array([[0.0], [1.0]]), jnp.array([[0.5], [-0.5]])


def test_the_nearest_pair_by_hand() -> None:
    # From (0, -0.4): squared distance beta^2 0 + 0.81 to the first, beta^2 + 0.01 to the second.
    query = jnp.array([[0.0]]), jnp.array([[-0.4]])
    np.testing.assert_allclose(nearest_action(OBS, ACTION, *query, beta=2.0), [[0.5]])  # 0.81 < 4.01
    np.testing.assert_allclose(nearest_action(OBS, ACTION, *query, beta=0.5), [[-0.5]])  # 0.81 > 0.26


def test_across_the_borders_of_blocks_it_is_the_first_of_the_nearest() -> None:
    """300 rows are three blocks, the last one padded; equal distances go to the first row, as `argmin` has it."""
    draw = np.random.default_rng(9)
    data = np.round(draw.uniform(-1, 1, (300, 2)), 1).astype("f4")  # so coarse that many are equal
    query = np.round(draw.uniform(-1, 1, (40, 2)), 1).astype("f4")
    apart = ((query[:, None] - data) ** 2).sum(-1)
    np.testing.assert_array_equal(_first_least(jnp.asarray(apart)), apart.argmin(1))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 5))
def test_it_is_what_a_slow_search_finds(seed: int, beta: float) -> None:
    draw = np.random.default_rng(seed)
    data_obs, data_action = draw.normal(size=(30, 3)).astype("f4"), draw.uniform(-1, 1, (30, 2)).astype("f4")
    obs, action = draw.normal(size=(5, 3)).astype("f4"), draw.uniform(-1, 1, (5, 2)).astype("f4")
    found = np.asarray(nearest_action(*map(jnp.asarray, (data_obs, data_action, obs, action)), beta=beta))
    for row in range(5):
        apart = ((beta * (data_obs - obs[row])) ** 2).sum(1) + ((data_action - action[row]) ** 2).sum(1)
        got = apart[(data_action == found[row]).all(1)].min()
        assert got <= apart.min() + 1e-4


def test_the_loss_by_hand_and_which_way_it_pulls() -> None:
    batch = Batch(obs=jnp.array([[0.0]]), action=jnp.array([[-1.0]]), reward=jnp.zeros(1))

    def loss(at: jax.Array) -> jax.Array:
        parts = {
            "data": Batch(obs=OBS, action=ACTION),
            "actor": lambda obs: Deterministic(at[None]),
            "critic": lambda obs, action: jnp.stack([2.0 * action[0] + 4.0, jnp.zeros(())]),
        }
        return td3_near_data(2.5, 2.0)(parts, batch, jax.random.key(0))[0]

    # Action 0.1, nearest data action 0.5 (not the batch's own -1): error 0.16; q = 4.2, so 2.5 * 4.2 / 4.2 = 2.5.
    value, gradient = jax.value_and_grad(loss)(jnp.float32(0.1))
    np.testing.assert_allclose(value, 0.16 - 2.5, rtol=1e-5)
    # d/da: 2 (0.1 - 0.5) - 2.5 * 2 / 4.2 = -0.8 - 1.19048
    np.testing.assert_allclose(gradient, -0.8 - 5 / 4.2, rtol=1e-5)


def test_boxes_of_any_shape_are_laid_flat() -> None:
    """As flat vectors, with pixels for observations and a matrix for an action."""
    draw = np.random.default_rng(0)
    obs = jnp.asarray(draw.integers(0, 9, (6, 2, 2)), jnp.uint8)
    action = jnp.asarray(draw.uniform(-1, 1, (6, 2, 3)), jnp.float32)
    values = {}
    for flat in (False, True):
        rows = Batch(
            obs=obs.reshape(6, -1) if flat else obs,
            action=action.reshape(6, -1) if flat else action,
            reward=jnp.zeros(6),
        )
        own = jnp.full(rows.action.shape[1:], 0.1)
        parts = {
            "data": rows,
            "actor": lambda obs, own=own: Deterministic(own, own.ndim),
            "critic": lambda obs, action: jnp.stack([action.sum() + 4.0, jnp.zeros(())]),
        }
        values[flat] = td3_near_data(2.5, 2.0)(parts, rows, jax.random.key(0))[0]
    np.testing.assert_allclose(values[False], values[True], rtol=1e-6)


def test_of_many_rows_a_sample_is_searched_and_the_batch_itself() -> None:
    """Against a slow search of the same sample: never nearer than all rows allow, never farther than the own row."""
    draw = np.random.default_rng(4)
    obs, action = (jnp.asarray(draw.uniform(-1, 1, (200, n)), jnp.float32) for n in (2, 1))
    rows = Batch(obs=obs, action=action)
    batch = Batch(obs=obs[:7], action=action[:7], reward=jnp.zeros(7))
    parts = {
        "data": rows,
        "actor": lambda obs: Deterministic(obs[:1]),
        "critic": lambda obs, action: jnp.ones(2),
    }
    key = jax.random.key(1)
    tether = {n: float(td3_near_data(0.0, 2.0, searched=n)(parts, batch, key)[0]) for n in (20, 200)}
    places = np.asarray(jax.random.randint(named(key, "searched"), (20,), 0, 200)).tolist() + list(range(7))
    data, total = np.asarray(jnp.concatenate([2.0 * obs, action], axis=1))[places], 0.0
    for row in np.asarray(obs[:7]):
        apart = ((data - np.append(2.0 * row, row[0])) ** 2).sum(axis=1)
        total += float((row[0] - data[apart.argmin(), 2]) ** 2)
    np.testing.assert_allclose(tether[20], total / 7, rtol=1e-5)
    assert tether[20] != tether[200]
