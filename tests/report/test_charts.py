"""Charts: what is drawn lies where the numbers say, and nothing that cannot be drawn breaks them."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pilothouse.report import charts
from pilothouse.report.charts import Bar, Curve, Group, IntervalRow, Reference, SeedRow
from pilothouse.report.curve_chart import LINES, POINTS, bootstrap_band
from pilothouse.report.frame import clipped, marker, spread
from pilothouse.report.histogram_chart import bin_edges

WIDTHS = (charts.WIDE, charts.NARROW)
HOSTILE = '"><script>alert(1)</script>' + "&" * 200


def parsed(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def with_class(chart: str, name: str) -> list[ElementTree.Element]:
    return [node for node in parsed(chart).iter() if name in node.get("class", "").split()]


def points(node: ElementTree.Element) -> np.ndarray:
    """The corners of a path or line, or the middle of a circle."""
    if node.get("d"):
        return np.array([[float(v) for v in pair.split(",")] for pair in re.findall(r"[-\d.]+,[-\d.]+", node.get("d"))])
    if node.get("cx"):
        return np.array([[float(node.get("cx")), float(node.get("cy"))]])
    return np.array([[float(node.get(f"x{i}")), float(node.get(f"y{i}"))] for i in (1, 2)])


def texts(chart: str) -> str:
    return " ".join("".join(node.itertext()) for node in parsed(chart).iter("text"))


@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 30)), elements=st.floats(-1e9, 1e9)),
    width=st.sampled_from(WIDTHS),
)
def test_curves_stay_inside_the_box_and_the_band_holds_the_middle(values, width):
    curve = charts.curve_of_seeds("IQL", np.arange(values.shape[1]) * 100, values)
    chart = charts.learning_curves([curve], width=width, references=[Reference("data", 5.0, 4.0, 6.0)])
    grid = np.concatenate([points(node) for node in with_class(chart, "grid")])
    (x0, y0), (x1, y1) = grid.min(axis=0) - 0.02, grid.max(axis=0) + 0.02
    for name in ("bold", "thin", "band", "ref"):
        for node in with_class(chart, name):
            drawn = points(node)
            assert (drawn >= (x0, y0)).all() and (drawn <= (x1, y1)).all(), name
    if curve.low is not None:
        assert (np.asarray(curve.low) <= np.asarray(curve.high)).all()
        lowest, highest = values.min(axis=0), values.max(axis=0)
        slack = 1e-9 * np.abs(values).max()
        assert (lowest - slack <= curve.low).all() and (np.asarray(curve.high) <= highest + slack).all()


def test_the_band_closes_around_the_line():
    values = np.random.default_rng(0).normal(size=(5, 12)).cumsum(axis=1)
    chart = charts.learning_curves([charts.curve_of_seeds("a", np.arange(12), values)])
    (band,), (bold,) = with_class(chart, "band"), with_class(chart, "bold")
    upper, lower = points(band)[:12], points(band)[12:][::-1]
    middle = points(bold)
    assert (upper[:, 1] <= middle[:, 1] + 0.01).all() and (middle[:, 1] <= lower[:, 1] + 0.01).all()
    assert np.allclose(upper[:, 0], lower[:, 0]) and np.allclose(upper[:, 0], middle[:, 0])


def test_a_curve_is_drawn_where_its_numbers_say():
    # Steps 0, 5, 10 and values 0, 10, 5: the middle point lies half way along, at the top of the axis.
    chart = charts.learning_curves([Curve("a", [0, 5, 10], [0.0, 10.0, 5.0])])
    (x0, y0), (x1, y1), (x2, y2) = points(with_class(chart, "bold")[0])
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.02)
    assert y0 - y1 == pytest.approx(2 * (y0 - y2), abs=0.02)
    assert y1 == min(points(node)[0, 1] for node in with_class(chart, "grid"))


def test_the_middle_is_the_interquartile_mean_where_every_seed_has_a_value():
    # Of 1, 2, 3, 10 the middle half is 2 and 3. At the second step a seed is missing, so there is no middle.
    values = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 1.0], [10.0, 1.0]])
    curve = charts.curve_of_seeds("a", [0, 1], values)
    assert list(curve.steps) == [0] and list(curve.center) == [2.5]


def test_runs_with_steps_of_their_own_meet_where_they_share_them():
    curve = charts.curve_of_runs("a", {0: ([0, 10], [1.0, 3.0]), 1: ([0, 5, 10], [3.0, 9.0, 5.0])})
    assert list(curve.steps) == [0, 10] and list(curve.center) == [2, 4]
    assert [len(steps) for steps, _ in curve.lines] == [2, 3]


def test_bootstrap_band_by_cases():
    same = np.full((5, 3), 7.0)
    assert np.allclose(bootstrap_band(same), 7)
    # Of two seeds at 0 and 1, a quarter of the resamples are both 0, a quarter both 1: the band is all of [0, 1].
    assert np.allclose(bootstrap_band(np.array([[0.0], [1.0]])), [[0], [1]])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "values", [[[5.0]], [[3.0, 3.0, 3.0]], [[np.nan, 1.0, np.inf]], [[1e300, 2.0, -np.inf]], [[0.0], [0.0]]]
)
def test_odd_series_are_drawn(values, width):
    steps = np.arange(len(values[0]))
    chart = charts.learning_curves([charts.curve_of_seeds("a", steps, values)], width=width)
    assert "nan" not in chart.lower().replace("infinite", "") and "inf" not in re.sub("infinite", "", chart)
    bad = int((~np.isfinite(values) | (np.abs(values) > 1e100)).sum())
    assert ("Left out" in texts(chart)) == (bad > 0)
    assert with_class(chart, "bold")


@pytest.mark.parametrize("width", WIDTHS)
def test_empty_and_hopeless_input_says_so(width):
    row = IntervalRow("a", np.nan)
    for empty, bad in (
        (charts.learning_curves([], width=width), charts.learning_curves([Curve("a", [0], [np.nan])], width=width)),
        (charts.intervals([], width=width), charts.intervals([row], width=width)),
        (charts.seed_dots([], width=width), charts.seed_dots([SeedRow("a", [np.nan])], width=width)),
        (charts.histogram([], width=width), charts.histogram([Group("a", [np.inf])], width=width)),
        (charts.bars([], width=width), charts.bars([Bar("a", np.nan)], width=width)),
    ):
        assert "nothing to draw" in texts(empty)
        assert "No value is finite" in texts(bad)


def test_long_series_are_thinned_and_many_seeds_counted_and_both_said():
    values = np.random.default_rng(0).normal(size=(40, 20_000))
    chart = charts.learning_curves([charts.curve_of_seeds("a", np.arange(20_000), values)])
    lines = with_class(chart, "thin")
    assert len(lines) == LINES and all(len(points(line)) <= POINTS + 2 for line in lines)
    assert len(chart) < 300_000
    assert "th point is drawn" in texts(chart) and "Of 40 seeds" in texts(chart)
    last = points(with_class(chart, "bold")[0])[-1]
    assert last[0] == max(points(node)[:, 0].max() for node in with_class(chart, "grid"))


@given(
    center=st.floats(-1e6, 1e6),
    halves=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
    width=st.sampled_from(WIDTHS),
)
def test_intervals_hold_their_point_and_stay_between_the_ends_of_the_axis(center, halves, width):
    row = IntervalRow("a", center, center - halves[0], center + halves[1])
    chart = charts.intervals([row], width=width, references=[Reference("data", 0.0)])
    (low, high), (middle,) = points(with_class(chart, "range")[0]), points(with_class(chart, "dot")[0])
    assert low[0] - 0.02 <= middle[0] <= high[0] + 0.02
    assert 0 <= low[0] and high[0] <= width


def test_intervals_are_ordered_like_their_values_and_unknown_ones_say_so():
    rows = [IntervalRow("low", 1, 0, 2), IntervalRow("high", 5, 4, 6), IntervalRow("one run", 3, -np.inf, np.inf)]
    chart = charts.intervals(rows)
    first, second = (points(node)[:, 0] for node in with_class(chart, "range"))
    assert first[1] < second[0]
    assert "3.00 (no interval)" in texts(chart)


def test_seed_dots_have_one_dot_for_each_finite_seed():
    chart = charts.seed_dots([SeedRow("IQL", [1, 2, np.nan, 4], [7, 8, 9, 10])])
    assert len(with_class(chart, "soft")) == 3
    assert "seed 10: 4.00" in chart and "seed 9" not in chart and "1 value that is not finite" in texts(chart)


@pytest.mark.parametrize("width", WIDTHS)
def test_reference_names_do_not_overlap(width):
    references = [
        Reference(name, value) for name, value in (("random", 50), ("data", 60), ("online", 61), ("x", 9_000))
    ]
    chart = charts.intervals([IntervalRow("a", 5_000, 4_000, 6_000)], references=references, width=width)
    names = [node for node in with_class(chart, "note") if node.tag == "text"]
    boxes = [(float(n.get("x")), float(n.get("y")), len(n.text) * 6.2 / 2) for n in names]
    for i, (x, y, half) in enumerate(boxes):
        assert half - 6 <= x <= width - half + 6
        assert all(abs(y - b) > 10 or abs(x - a) > (half + h) * 0.9 for a, b, h in boxes[i + 1 :])


def test_bars_are_as_long_as_their_values():
    chart = charts.bars([Bar("a", 10), Bar("b", 40), Bar("c", -10)])
    a, b, c = (float(node.get("width")) for node in with_class(chart, "bar"))
    assert b == pytest.approx(4 * a, abs=0.1) and c == pytest.approx(a, abs=0.1)


@given(hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e8, 1e8)))
def test_bins_hold_every_value_and_rise(values):
    edges = bin_edges(values)
    assert (np.diff(edges) > 0).all() and len(edges) <= 40
    assert np.histogram(values, edges)[0].sum() == len(values)


def test_histograms_count():
    one = charts.histogram([Group("returns", [1, 1, 1, 9])])
    assert [len(with_class(one, "column")), len(list(with_class(one, "column")[0]))] == [1, 2]
    heights = sorted(float(node.get("height")) for node in with_class(one, "column")[0])
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.1)
    several = charts.histogram([Group("random", [1] * 50), Group("late", [9, 9])])
    assert "50 episodes" in texts(several) and "2 episodes" in texts(several)
    assert len(with_class(several, "column")) == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_and_endless_labels_are_text_and_cut(width):
    drawn = (
        charts.learning_curves([Curve(HOSTILE, [0, 1], [0.0, 1.0])], references=[Reference(HOSTILE, 1)], width=width),
        charts.intervals(
            [IntervalRow(HOSTILE, 1, 0, 2)], x_label=HOSTILE, references=[Reference(HOSTILE, 1)], width=width
        ),
        charts.seed_dots([SeedRow(HOSTILE, [1])], describe=HOSTILE, width=width),
        charts.histogram([Group(HOSTILE, [1]), Group(HOSTILE, [2])], width=width),
        charts.bars([Bar(HOSTILE, 1, HOSTILE[:30])], width=width),
    )
    for chart in drawn:
        assert "script" not in {node.tag for node in parsed(chart).iter()}
        assert all(len("".join(n.itertext())) < 200 or n.find("title") is not None for n in parsed(chart).iter("text"))


@given(st.lists(st.floats(0, 300), min_size=1, max_size=8))
def test_labels_are_moved_apart_and_keep_their_order(wanted):
    placed = spread(wanted, 15, 0, 300)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 15 - 1e-6).all()
    assert all(-1e-6 <= p <= 300 + 1e-6 for p in placed)


def test_labels_with_room_stay_and_pairs_move_both_ways():
    assert spread([10, 100], 15, 0, 300) == [10, 100]
    low, high = spread([100, 101], 15, 0, 300)
    assert high - low == 15 and low <= 100 and high >= 101


def test_a_crowd_shares_what_room_there_is():
    assert spread([5, 5, 5], 15, 0, 20) == [0, 10, 20]


def test_markers_differ_in_shape():
    assert len({re.sub(r"[-\d.]+", "#", marker(i, 0, 0)) + str(marker(i, 0, 0).count(",")) for i in range(6)}) >= 4
    assert len({marker(i, 0, 0) for i in range(6)}) == 6


def test_clipped_keeps_what_fits():
    assert clipped("short", 100) == "short"
    assert clipped("a very long label indeed", 60) == "a very…"


def test_a_chart_stands_alone_as_a_file():
    chart = charts.standalone(charts.bars([Bar("a < b", 1)], describe="Bars > 0"))
    root = ElementTree.fromstring(chart)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root[0].tag.endswith("style")
    assert len(chart) < 60_000


def test_every_chart_has_words_for_those_who_cannot_see_it():
    chart = charts.learning_curves([Curve("IQL", [0, 2_000], [1.0, 300.0])], describe="Returns")
    assert parsed(chart).get("role") == "img"
    assert parsed(chart).get("aria-label") == "Returns. IQL ends at 300 after 2k steps."
