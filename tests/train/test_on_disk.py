"""Data that stay on disk train to the numbers that data in memory train to, or are refused in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import PilothouseError
from pilothouse.core.spaces import Box, Spec
from pilothouse.data import dataset_from_transitions, host_rows, stores
from pilothouse.train import machine
from pilothouse.train.session import learn
from pilothouse.train.sources import DataSource

ROWS, SMALL = 200, {"width": 4, "depth": 1, "batch": 8}


@pytest.fixture(scope="module")
def dataset():
    generator = np.random.default_rng(0)
    obs = generator.normal(size=(ROWS + 1, 3)).astype(np.float32)
    rows = {
        "obs": obs[:-1],
        "next_obs": obs[1:],
        "action": generator.uniform(-2, 2, (ROWS, 2)).astype(np.float32),
        "reward": generator.normal(size=ROWS),
        "terminated": generator.random(ROWS) < 0.05,
        "truncated": np.zeros(ROWS, bool),
    }
    return dataset_from_transitions(rows, Spec(Box((3,)), Box((2,), -2.0, 2.0)), name="made")


def learned(name, dataset, seeds):
    return learn(load_recipe(name)(**SMALL), DataSource(dataset), steps=20, seeds=seeds)


@pytest.mark.parametrize(("name", "seeds"), (("iql", [3]), ("bc", [3, 4])))
def test_the_same_sampler_draws_the_same_rows_and_learns_the_same(dataset, monkeypatch, name, seeds):
    expected = learned(name, dataset, seeds)
    monkeypatch.setenv("PILOTHOUSE_DATA_BUDGET", "0")
    monkeypatch.setattr(
        machine, "WINDOW_ROWS", 8 * 6 * len(seeds)
    )  # six updates a transfer, of which the last takes two
    fetched, original = [], host_rows.HostRows.window
    monkeypatch.setattr(
        host_rows.HostRows, "window", lambda self, numbers, room: fetched.append(room) or original(self, numbers, room)
    )
    found = learned(name, dataset, seeds)
    assert fetched == [1] + [8 * 6 * len(seeds)] * 4
    for one, other in zip(
        jax.tree.leaves(expected.machine.state.parts), jax.tree.leaves(found.machine.state.parts), strict=True
    ):
        # One lane runs the same program; several are dealt to the cores in memory, and batched here.
        np.testing.assert_allclose(
            np.asarray(one), np.asarray(other), rtol=0 if len(seeds) == 1 else 1e-5, atol=1e-6 * (len(seeds) > 1)
        )


def test_a_window_gives_the_rows_by_their_numbers_in_the_dataset(dataset):
    source = DataSource(dataset)
    whole = source.in_memory()["data"]
    store = host_rows.HostRows("made", ROWS, source._rows(source.scaling))
    window = store.window(np.array([7, 3, 199, 3]), 6)
    assert window.index.tolist() == [3, 7, 199, 199, 199, 199]
    numbers = jnp.array([199, 3, 7, 7])
    drawn, expected = stores.gather(window, numbers), stores.gather(jax.tree.map(jnp.asarray, whole), numbers)
    for one, other in zip(jax.tree.leaves(drawn), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_needs_all_rows_says_so(dataset, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_DATA_BUDGET", "0")
    with pytest.raises(PilothouseError, match="PILOTHOUSE_DATA_BUDGET") as caught:
        learn(load_recipe("percent-bc")(**SMALL), DataSource(dataset), steps=2, seeds=[0])
    assert "\n" not in str(caught.value)
