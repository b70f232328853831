"""The verdict says what the intervals say, and no more."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.report.quickstart_data import Estimate, MethodResult, OffPolicyEstimate, OnlineRun
from pilothouse.report.verdict import compared, disagrees, ranked, student, tied_with_best, verdict
from pilothouse.statistics import Interval


def method(label: str, returns, **more) -> MethodResult:
    returns = np.asarray(returns, np.float64)
    known = returns[np.isfinite(returns)]
    middle = Estimate(float(known.mean()) if len(known) else math.nan)
    return MethodResult(label, label.lower(), list(range(len(returns))), returns, middle, middle, 100, 1.0, **more)


def estimate(value: float, half: float) -> Estimate:
    return Estimate(value, Interval(value - half, value + half))


def judged(samples, methods, data: float = 100.0, half: float = 10.0):
    base = samples.quickstart_data()
    return verdict(replace(base, methods=methods, dataset=replace(base.dataset, mean=estimate(data, half))))


GOOD, ALIKE, BAD = [200, 201, 202, 203, 204], [80, 120, 100, 95, 105], [10, 11, 12, 13, 14]


def test_one_method_that_beats_the_data(samples):
    said = judged(samples, [method("BC", ALIKE), method("IQL", GOOD)])
    assert said.headline == (
        "IQL, learned from recorded data alone, reached 202 and beat the average episode in the data (100); BC did not."
    )


def test_no_method_beats_the_data_and_one_is_worse(samples):
    said = judged(samples, [method("BC", ALIKE), method("IQL", BAD)])
    assert said.headline == "No offline method beat the average episode in the data (100); IQL did worse."


def test_all_methods_beat_the_data(samples):
    said = judged(samples, [method(name, GOOD) for name in ("BC", "IQL", "TD3+BC")])
    assert said.headline.startswith("All 3 offline methods (BC, IQL and TD3+BC) beat the average episode")


def test_a_higher_mean_alone_is_not_a_win(samples):
    # Mean 150 against 100, but the seeds spread from 0 to 300: Student's interval is about 0 to 300.
    said = judged(samples, [method("IQL", [0, 300, 150, 100, 200])])
    assert said.headline.startswith("No offline method beat")


def test_a_higher_mean_in_doubt_is_said_beside_the_methods_that_won(samples):
    said = judged(samples, [method("BC", [0, 900, 100, 800, 700]), method("IQL", GOOD), method("TD3+BC", [150] * 5)])
    assert said.headline == (
        "IQL and TD3+BC beat the average episode in the data (100); IQL came highest of these with 202 "
        "(BC's mean of 500 is higher, but too uncertain to be called better)."
    )


def test_one_seed_is_never_a_win(samples):
    assert judged(samples, [method("IQL", [1e9])]).headline.startswith("No offline method beat")


def test_nothing_was_run(samples):
    assert judged(samples, []).headline == "No offline method was run."


def test_ties_are_called_ties(samples):
    said = judged(
        samples, [method("A", [1, 5, 3, 2, 4]), method("B", [5, 1, 4, 3, 2]), method("C", [-9, -8, -9, -8, -9])]
    )
    assert (
        "A and B tie: with 5 seeds the differences between them may be chance; both are ahead of C." in said.sentences
    )
    said = judged(samples, [method("A", [1, 2, 3]), method("B", [11, 12, 13.5])])
    assert "B is ahead of A, seed by seed." in said.sentences


def test_a_leader_by_rank_that_loses_seed_by_seed_does_not_lead():
    leader = replace(method("A", [1, 2, 3]), mean=Estimate(99.0))
    methods = ranked([method("B", [11, 12, 13.5]), leader])
    assert [m.label for m in methods] == ["A", "B"] and tied_with_best(methods) == methods


def test_seeds_that_broke_are_told_and_do_not_break_the_verdict(samples):
    broken = method("IQL", [200, 201, math.nan, 203, math.inf], diverged=[2, 4])
    said = judged(samples, [broken, method("BC", ALIKE), method("none", [math.nan])])
    assert "2 seeds of IQL diverged (2 and 4) and counted with the last finite state." in said.sentences
    assert said.headline.startswith("IQL")


def online(low: float, high: float, random: float = 50.0) -> OnlineRun:
    final = Estimate((low + high) / 2, Interval(low, high))
    return OnlineRun("sac", [1], [[1.0]], estimate(random, 1), final, 1_000, 60)


@pytest.mark.parametrize(("low", "passed"), [(151, True), (150, False), (149, False)])
def test_the_mark_is_passed_by_the_whole_interval(samples, low, passed):
    # Three times random's mean of 50 is 150.
    run = online(low, 400)
    assert run.passed is passed and run.threshold == 150
    said = verdict(replace(samples.quickstart_data(), online=run)).sentences[0]
    assert ("surely above 3 times" in said) is passed and ("not shown to be above" in said) is not passed


def test_against_the_online_agent(samples):
    data = replace(samples.quickstart_data(), methods=[method("A", GOOD), method("B", BAD)], online=online(100, 150))
    said = "A did better than the online agent; B fell short of the online agent, which got 125 (100 to 150)."
    assert said in verdict(data).sentences


def fqe(value: float, measured: float | None, trusted: bool = True, reason: str = "") -> OffPolicyEstimate:
    return OffPolicyEstimate(estimate(value, 5), trusted, None if measured is None else estimate(measured, 5), reason)


def test_an_estimate_that_disagrees_with_what_was_measured_is_said(samples):
    right, wrong = method("A", GOOD, fqe=fqe(100, 104)), method("B", BAD, fqe=fqe(300, 20))
    assert not disagrees(right) and disagrees(wrong)
    said = judged(samples, [right, wrong]).sentences
    assert any(
        s.startswith("The fitted-Q estimate for B is wrong: it expected a discounted return of 300") for s in said
    )
    assert "The fitted-Q estimate agrees with what was measured for A." in said
    assert "Choosing by the estimate alone would have chosen B, which the simulator puts behind A." in said


def test_estimates_that_ask_not_to_be_trusted_are_said(samples):
    a, b = method("A", GOOD, fqe=fqe(100, None, False, "it diverged")), method("B", BAD, fqe=fqe(3, None))
    said = judged(samples, [a, b]).sentences
    assert "The estimate itself asks not to be trusted for A: it diverged." in said
    assert not any("agrees" in sentence or "is wrong" in sentence for sentence in said)
    assert any("would have chosen A, the best" in sentence for sentence in said)


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(-100, 100), st.floats(0, 50))
def test_comparing_is_odd_and_needs_a_gap(a, half_a, b, half_b):
    one, other = estimate(a, half_a), estimate(b, half_b)
    assert compared(one, other) == -compared(other, one)
    assert (compared(one, other) != 0) == (
        one.interval.low > other.interval.high or one.interval.high < other.interval.low
    )
    assert compared(Estimate(a), other) == 0


def test_students_interval_by_hand():
    # 1, 2, 3: mean 2, standard deviation 1, t(0.975, 2) = 4.3027; 2 ± 4.3027 / √3 = 2 ± 2.4841.
    found = student(method("A", [1, 2, 3, math.nan]))
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx((2, -0.4841, 4.4841), abs=1e-3)
