"""DrQ+BC: what its update is made of, and who may teach the encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core import trees
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.scripted_pictures import filmed, recorded_pictures, room
from pilothouse.policies.policy import Random
from pilothouse.recipes.offline.v_d4rl import v_d4rl
from pilothouse.train.session import open_session
from pilothouse.train.sources import DataSource

SPEC = Spec(Box((8, 8, 1), 0, 255, "uint8"), Box((1,), -1.0, 1.0))
TINY = {"batch": 4, "width": 4, "depth": 1, "channels": 2, "features": 3, "pad": 1, "lr": 1e-2}
ROWS = 12


@pytest.fixture(scope="module")
def source() -> DataSource:
    """One episode: a bright square, and a reward that tells the row's number."""
    obs = np.zeros((ROWS, 8, 8, 1), np.uint8)
    obs[:, 3:5, 3:5] = 20 * np.arange(1, ROWS + 1, dtype=np.uint8)[:, None, None, None]
    rows = {
        "obs": obs, "next_obs": np.roll(obs, -1, axis=0), "action": np.random.default_rng(0).uniform(-1, 1, (ROWS, 1)),
        "reward": 10.0 ** -np.arange(ROWS), "terminated": np.zeros(ROWS, bool), "truncated": np.arange(ROWS) == ROWS - 1,
    }  # fmt: skip
    rows["action"] = rows["action"].astype(np.float32)
    return DataSource(dataset_from_transitions(rows, SPEC, name="square"))


def test_rows_are_of_three_steps_and_their_pictures_are_moved(source: DataSource) -> None:
    (fit,) = v_d4rl(**{**TINY, "batch": 64}).build(SPEC, {"discount": 0.5}).stages[0].cycle
    parts, key = {"data": jax.tree.map(jnp.asarray, source.in_memory()["data"])}, jax.random.key(0)
    rows, _ = jax.jit(lambda key: fit.batches.take(parts, fit.batches.plan(parts, key, 1)[0], key))(key)
    number = np.asarray(rows.obs).max(axis=(1, 2, 3)) // 20 - 1
    whole = number < ROWS - 3  # those that three steps and another row follow
    reward = 10.0 ** -number.astype(float)
    np.testing.assert_allclose(rows.reward[whole], (reward * (1 + 0.05 + 0.0025))[whole], rtol=1e-4)
    np.testing.assert_allclose(rows.discount[whole], 0.125)
    after = np.asarray(rows.next_obs).max(axis=(1, 2, 3)) // 20 - 1
    np.testing.assert_array_equal(after[whole], number[whole] + 3)
    corners = {tuple(np.argwhere(np.asarray(picture)[..., 0]).min(axis=0)) for picture in rows.obs}
    assert corners == {(i, j) for i in (2, 3, 4) for j in (2, 3, 4)}  # every move of a pixel came up in 64


def test_the_critic_alone_teaches_the_encoder_and_the_tether_the_actor(source: DataSource) -> None:
    """Whatever the actor climbs for, the encoder moves alike; with alpha 0 the actor only clones, with 9 it does not."""
    session = open_session(v_d4rl(**TINY), source, seeds=[0, 0], floats={"alpha": [0.0, 9.0]}, episodes=0)
    before = {name: np.array(leaf) for name, leaf in trees.named_leaves(session.machine.state.parts).items()}
    session.machine.advance(1)
    after = trees.named_leaves(session.machine.state.parts)
    for name, start in before.items():
        if name.startswith(("encoder", "critic")) and np.issubdtype(start.dtype, np.floating):
            np.testing.assert_array_equal(after[name][0], after[name][1], err_msg=name)
    moved = [name for name in before if name.startswith("encoder") and (np.asarray(after[name]) != before[name]).any()]
    assert moved, "nothing taught the encoder"
    actors = [name for name in before if name.startswith("actor") and (after[name][0] != after[name][1]).any()]
    assert actors, "the critic did not reach the actor"


def test_pictures_of_the_room_are_recorded_without_the_state() -> None:
    place = room(5)
    data = recorded_pictures(place, [(Random(place.spec.action), 12)])
    assert data.spec == filmed(place).spec and data.obs.shape == (12, 12, 12, 2) and data.obs.dtype == np.uint8
    np.testing.assert_array_equal(data.obs[0, ..., 0], data.obs[0, ..., 1])  # nothing was seen before the first
    np.testing.assert_array_equal(data.obs[1, ..., 0], data.obs[0, ..., 1])  # the older picture first
    np.testing.assert_array_equal(data.next_obs[0], data.obs[1])
    assert (data.obs[:, 7:10, 7:10].max(axis=(1, 2, 3)) > 100).all()  # the goal, in its corner
