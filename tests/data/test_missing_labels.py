"""A dataset that lacks rewards or actions says so, is read by none that needs them, and is drawn from as its masks say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data import flat_cache
from pilothouse.data.behaviour import behaviour
from pilothouse.data.dataset import Dataset
from pilothouse.data.duplicates import duplicates
from pilothouse.data.episodes import dataset_from_transitions, episodes_of
from pilothouse.data.missing_labels import Imputed, Labelled
from pilothouse.data.quality import Grid, occupancy, reward_sparsity
from pilothouse.data.reading import read_dataset
from pilothouse.data.writing import write_dataset
from pilothouse.evaluate.comparison import Plan, compare
from pilothouse.evaluate.corrupted_data import corrupted
from pilothouse.evaluate.logged import Logged
from pilothouse.recipes.offline.reward_imputation import reward_imputation
from pilothouse.recipes.offline.td3bc import td3bc
from pilothouse.train.session import builder
from pilothouse.train.sources import DataSource, in_hand

KEY = jax.random.key(0)
SPEC = Spec(Box((1,)), Box((1,), -2.0, 2.0))


def six(spec: Spec = SPEC) -> Dataset:
    """Two episodes of three rows; observations 1 to 6, actions 0.1 to 0.6, rewards 10 to 60."""
    count = np.arange(1, 7)
    action = count[:, None] / 10 if isinstance(spec.action, Box) else count % 2
    rows = {
        "obs": count[:, None].astype(np.float32),
        "next_obs": np.array([2, 3, 9, 5, 6, 9])[:, None].astype(np.float32),
        "action": action,
        "reward": 10 * count,
        "terminated": count % 3 == 0,
        "truncated": np.zeros(6, bool),
    }
    return dataset_from_transitions(rows, spec, name="six")


HIDDEN = np.array([False, True, False, False, True, True])


@pytest.fixture(scope="module")
def lacking() -> Dataset:
    return six().hiding(reward=HIDDEN, action=np.roll(HIDDEN, 1))


def test_what_is_hidden_is_nan_and_counted_and_nothing_else_changes(lacking: Dataset) -> None:
    whole = six()
    np.testing.assert_array_equal(np.isnan(lacking.reward), HIDDEN)
    np.testing.assert_array_equal(lacking.reward[~HIDDEN], whole.reward[~HIDDEN])
    np.testing.assert_array_equal(np.isnan(lacking.action[:, 0]), np.roll(HIDDEN, 1))
    np.testing.assert_array_equal(lacking.obs, whole.obs)
    assert (lacking.missing("reward"), lacking.missing("action"), whole.missing("reward")) == (3, 3, 0)
    assert np.isfinite(whole.reward).all() and whole.hiding(reward=np.zeros(6, bool)).rewarded is None
    again = lacking.hiding(reward=np.arange(6) == 0)
    assert again.missing("reward") == 4  # what was hidden stays so
    assert len({data.fingerprint for data in (whole, lacking, again)}) == 3


def test_masks_go_with_their_rows(lacking: Dataset) -> None:
    second = lacking.select([1])
    np.testing.assert_array_equal(second.rewarded, [True, False, False])
    rows = lacking.rows(np.array([0, 1]), lacking=("reward", "action"))
    np.testing.assert_array_equal(rows.rewarded, [True, False])
    assert "rewarded" not in six().rows() and rows.acted.tolist() == [False, True]


@pytest.mark.parametrize(
    "reads",
    [
        lambda data, path: data.returns,
        lambda data, path: data.rows(),
        lambda data, path: data.rows(lacking=("reward",)),
        lambda data, path: data.summary(),
        lambda data, path: list(episodes_of(data)),
        lambda data, path: write_dataset(path / "six-v0", data),
        lambda data, path: write_dataset(path / "six.npz", data),
        lambda data, path: write_dataset(path / "six.hdf5", data),
        lambda data, path: behaviour(data),
        lambda data, path: duplicates(data),
        lambda data, path: reward_sparsity(data),
        lambda data, path: occupancy(data, Grid.over((six(),))),
        lambda data, path: corrupted(data, "reward", share=0.5, scale=1.0),
        lambda data, path: Logged.of(data),
        lambda data, path: DataSource(data).fixed(),
        lambda data, path: compare(
            [reward_imputation()], DataSource(six().hiding(reward=HIDDEN)), Plan(), out=path / "c"
        ),
        lambda data, path: builder(td3bc(), DataSource(data)),
        lambda data, path: builder(reward_imputation(), DataSource(data)),  # actions are missing too
        lambda data, path: builder(reward_imputation(), DataSource(six().hiding(reward=np.ones(6, bool)))),
    ],
)
def test_whoever_needs_a_label_refuses_in_one_line(
    lacking: Dataset, tmp_path: Path, reads: Callable[[Dataset, Path], Any]
) -> None:
    with pytest.raises(DataError, match=r"six: (3 of 6 rows have no|no row has its) ") as fault:
        reads(lacking, tmp_path)
    assert "\n" not in str(fault.value) and not list(tmp_path.iterdir())


def test_a_recipe_that_does_without_is_given_the_rows() -> None:
    source = DataSource(six().hiding(reward=HIDDEN))
    builder(reward_imputation(), source)
    rows = in_hand(reward_imputation().recipe.takes, source)["data"]
    np.testing.assert_array_equal(rows.rewarded, ~HIDDEN)


def test_masks_that_cannot_be_are_refused() -> None:
    for mask in (np.ones(5, bool), np.ones(6)):
        with pytest.raises(DataError, match="expected one truth value for each of 6 rows"):
            six().hiding(reward=mask)
    with pytest.raises(DataError, match="only real Box actions can be missing"):
        six(Spec(Box((1,)), Discrete(2))).hiding(action=HIDDEN)


def table(path: Path, **changed: Any) -> Path:
    """One episode of four steps, the rewards and actions of two of which are said to be missing."""
    columns: dict[str, Any] = {
        "obs": [1.0, 2.0, 3.0, 4.0],
        "action": [3.0, 4.0, None, 100.0],
        "reward": [None, 2.0, 3.0, float("nan")],
        "episode": [0, 0, 0, 0],
        "terminated": [0, 0, 0, 1],
        "has_reward": [0, 1, 1, 0],
        "has_action": [1, 1, 0, 0],
    }
    pq.write_table(pa.table(columns | changed), path)
    return path


def test_a_table_says_which_rows_lack_their_labels(tmp_path: Path) -> None:
    columns = {"rewarded": "has_reward", "acted": "has_action"}
    data = read_dataset(table(tmp_path / "four.parquet"), columns=columns)
    np.testing.assert_array_equal(data.reward, [np.nan, 2, 3, np.nan])
    np.testing.assert_array_equal(data.action[:, 0], [3, 4, np.nan, np.nan])
    assert data.spec.action == Box((1,), (3.0,), (4.0,))  # of what was done, whatever stands in the other rows
    for path, wanted, match in (
        (table(tmp_path / "none.parquet"), {}, "'reward' has 1 missing values"),
        (table(tmp_path / "hole.parquet", has_reward=[1, 1, 1, 0]), columns, "'reward' has 1 missing values"),
        (table(tmp_path / "all.parquet", has_action=[0, 0, 0, 0]), columns, "'action' is said to be missing in every"),
        (table(tmp_path / "two.parquet", has_action=[0, 0, 0, 2]), columns, "'has_action' holds 2 in row 3"),
    ):
        with pytest.raises(DataError, match=match):
            read_dataset(path, columns=wanted)


def test_the_flat_cache_keeps_the_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(flat_cache, "SMALLEST", 0)
    monkeypatch.setattr(flat_cache, "SETTLED", -1.0)
    path, columns = table(tmp_path / "four.parquet"), {"rewarded": "has_reward", "acted": "has_action"}
    first, second = (read_dataset(path, columns=columns) for _ in range(2))
    assert isinstance(second.reward.base, np.memmap) or isinstance(second.reward, np.memmap)
    np.testing.assert_array_equal(first.rewarded, second.rewarded)
    assert second.acted is not None and second.fingerprint == first.fingerprint


def test_labelled_rows_alone_are_drawn_each_as_often(lacking: Dataset) -> None:
    data = {"data": jax.tree.map(jnp.asarray, lacking.rows(lacking=("reward", "action")))}
    drawn = np.asarray(Labelled("data", 6_000, "reward").plan(data, KEY, 1))
    numbers, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(numbers, [0, 2, 3])
    assert np.abs(counts - 2_000).max() < 200
    everything = Labelled("data", 200, "reward").plan({"data": six().rows()}, KEY, 1)
    np.testing.assert_array_equal(np.unique(everything), np.arange(6))


def test_recorded_labels_stay_and_the_others_are_what_is_said(lacking: Dataset) -> None:
    data = {"data": jax.tree.map(jnp.asarray, lacking.rows(lacking=("reward", "action")))}
    rows, _ = Imputed("data", 6, label="reward", says=lambda parts, rows: 7 * rows.obs[:, 0]).take(
        data, jnp.arange(6), KEY
    )
    np.testing.assert_allclose(rows.reward, [10, 14, 30, 40, 35, 42])
    # The action by what went before: 0 at the beginning of each episode (rows 0 and 3), else the observations so far.
    imputed = Imputed("data", 6, 0.5, label="action", says=lambda parts, rows: rows.past.sum(axis=1), back=2)
    rows, _ = imputed.take(data, jnp.arange(6), KEY)
    own = lacking.action[:, 0] / 2
    np.testing.assert_allclose(rows.action[:, 0], [0, own[1], 1 + 2, own[3], own[4], 4 + 5], rtol=1e-6)
    np.testing.assert_allclose(rows.discount, [0.5, 0.5, 0, 0.5, 0.5, 0])
    slope = jax.grad(
        lambda w: (
            Imputed("data", 6, label="reward", says=lambda parts, rows: w * rows.obs[:, 0])
            .take(data, jnp.arange(1, 2), KEY)[0]
            .reward.sum()
        )
    )(1.0)
    assert float(slope) == 0.0  # what is said is data
