import numpy as np

from pilothouse.report.text_chart import text_histogram


def test_by_hand():
    # Four twos and two fives: the longest bar is 8 characters, the other half of it.
    assert text_histogram(np.array([2.0, 5, 2, 2, 5, 2]), width=8) == ["2.00 ████████ 4", "5.00 ████ 2"]
    # One of sixteen in 4 characters is a quarter of one; one of a thousand is still an eighth.
    assert text_histogram(np.append(np.zeros(16), 1.0), width=4)[1] == "1.00 ▎ 1"
    assert text_histogram(np.append(np.zeros(1000), 1.0), width=4)[1] == "1.00 ▏ 1"


def test_every_value_is_counted_once_and_bars_never_grow_too_long():
    values = np.random.default_rng(0).normal(size=500)
    lines = text_histogram(values, bins=10, width=20)
    assert 3 <= len(lines) <= 12
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == 500
    assert max(line.count("█") for line in lines) == 20


def test_what_is_not_finite_is_said():
    assert text_histogram(np.array([1.0, np.nan, np.inf])) == [f"1.00 {'█' * 40} 1", "(2 values not finite)"]
    assert text_histogram(np.array([np.nan])) == ["no finite value"]
