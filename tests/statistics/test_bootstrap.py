import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import SettingError
from pilothouse.statistics import bootstrap, interquartile_mean, mean, stratified_bootstrap_interval


def test_two_runs_by_hand():
    # Two runs 0 and 1 of one task: the resampled mean is 0, 1/2 or 1 with probability 1/4, 1/2, 1/4, so the 2.5% and
    # 97.5% quantiles are 0 and 1, and the 40% interval (30% to 70%) is the point 1/2.
    assert stratified_bootstrap_interval([0.0, 1.0], mean).to_json() == [0.0, 1.0]
    assert stratified_bootstrap_interval([0.0, 1.0], mean, level=0.4).to_json() == [0.5, 0.5]


def test_runs_never_cross_tasks():
    # Were tasks mixed, some resample would hold more of one task: here every resample has the same mean.
    assert stratified_bootstrap_interval([[0.0, 10.0], [0.0, 10.0]], mean).to_json() == [5.0, 5.0]


def test_width_is_that_of_the_normal_theory():
    # Sum over tasks of variance / runs, over tasks squared: the bootstrap's standard error, with divisor n.
    scores = np.random.default_rng(1).normal(size=(40, 3)) * [1.0, 2.0, 5.0]
    interval = stratified_bootstrap_interval(scores, mean, resamples=4000)
    error = np.sqrt((scores.var(axis=0) / 40).sum()) / 3
    assert interval.half_width == pytest.approx(1.96 * error, rel=0.06)
    assert interval.contains(scores.mean())


@settings(max_examples=25)
@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 5), runs=st.integers(2, 8), seed=st.integers(0, 9))
def test_the_interval_moves_with_the_scores(shift, scale, runs, seed):
    scores = np.random.default_rng(seed).normal(size=(runs, 2))
    before = stratified_bootstrap_interval(scores, interquartile_mean, resamples=200, seed=seed)
    after = stratified_bootstrap_interval(scores * scale + shift, interquartile_mean, resamples=200, seed=seed)
    np.testing.assert_allclose(after.to_json(), np.array(before.to_json()) * scale + shift, atol=1e-9)
    assert scores.min() <= before.low <= before.high <= scores.max()


def test_a_higher_level_is_wider_and_the_seed_decides():
    scores = np.random.default_rng(2).normal(size=(10, 2))
    narrow, wide = (stratified_bootstrap_interval(scores, mean, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert stratified_bootstrap_interval(scores, mean) == stratified_bootstrap_interval(scores, mean)
    assert stratified_bootstrap_interval(scores, mean) != stratified_bootstrap_interval(scores, mean, seed=1)


def test_resampling_in_pieces_gives_as_many_resamples(monkeypatch):
    seen = []

    def counting(scores, axis=None):
        seen.append(len(scores))
        return mean(scores, axis)

    monkeypatch.setattr(bootstrap, "_ENTRIES", 700)
    stratified_bootstrap_interval(np.zeros((10, 2)), counting, resamples=100)
    assert sum(seen) == 100 and len(seen) == 3


def test_a_statistic_that_reduces_too_much_is_refused():
    with pytest.raises(SettingError, match=r"\(scores, axis\)"):
        stratified_bootstrap_interval([1.0, 2.0], lambda scores, axis=None: np.mean(scores))
