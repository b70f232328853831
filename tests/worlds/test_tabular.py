import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.worlds.tabular import Tabular

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("states", "actions", "branching", "terminals"), [(1, 1, 1, 0), (4, 2, 1, 1), (5, 3, 2, 0), (6, 2, 6, 5)]
)
def test_garnets_are_distributions_over_exactly_the_branching(states, actions, branching, terminals):
    def make(key):
        return Tabular.garnet(states, actions, branching, terminals=terminals, key=key)

    many = jax.jit(jax.vmap(make))(jax.random.split(KEY, 50))
    np.testing.assert_allclose(many.transition.sum(-1), 1, rtol=1e-5)
    assert ((many.transition > 0).sum(-1) == branching).all()
    assert (many.terminal.sum(-1) == terminals).all()
    np.testing.assert_allclose(many.start.sum(-1), 1, rtol=1e-5)
    assert not (many.start * many.terminal).any()


def test_one_seed_is_one_world_and_many_come_from_one_vmap():
    make = lambda key: Tabular.garnet(5, 2, 2, key=key)  # noqa: E731
    many = jax.jit(jax.vmap(make))(jax.random.split(KEY, 3))
    assert many.transition.shape == (3, 5, 2, 5)
    np.testing.assert_array_equal(many.transition[1], make(jax.random.split(KEY, 3)[1]).transition)
    assert (many.transition[0] != many.transition[1]).any()


def test_successors_come_as_often_as_the_table_says():
    place = Tabular.garnet(6, 2, 3, key=jax.random.key(5))
    state, _ = place.reset({"start": 4}, KEY)
    step = jax.vmap(lambda key: place.step(state, jnp.array(1), key))
    after, outcome = step(jax.random.split(KEY, 40_000))
    share = np.bincount(after.place, minlength=6) / 40_000
    np.testing.assert_allclose(share, place.transition[4, 1], atol=4 * 0.5 / 200)  # four standard errors at most
    assert (share[np.asarray(place.transition[4, 1]) == 0] == 0).all()
    np.testing.assert_array_equal(outcome.reward, np.full(40_000, place.reward[4, 1]))


def test_a_chain_by_hand():
    # 0 -> 1 -> 2, and 2 is the end; each step pays its state's number plus one.
    transition = np.zeros((3, 1, 3))
    transition[[0, 1, 2], 0, [1, 2, 2]] = 1
    place = Tabular.of(transition, [[1], [2], [3]], start=[1, 0, 0], terminal=[False, False, True], horizon=2)
    state, obs = place.reset((), KEY)
    assert obs == 0
    state, first = place.step(state, jnp.array(0), KEY)
    _, second = place.step(state, jnp.array(0), KEY)
    assert (first.next_obs, first.reward, first.terminated, first.truncated) == (1, 1, False, False)
    assert (second.next_obs, second.reward, second.terminated, second.truncated) == (2, 2, True, True)


@pytest.mark.parametrize(
    ("transition", "reward"), [(np.ones((2, 1, 2)), np.zeros((2, 1))), (np.ones((2, 1, 3)) / 3, np.zeros((2, 1)))]
)
def test_faulty_tables_are_refused(transition, reward):
    with pytest.raises(SettingError):
        Tabular.of(transition, reward)


def test_faulty_sizes_are_refused():
    with pytest.raises(SettingError, match="branching=9"):
        Tabular.garnet(4, 2, 9, key=KEY)
