import numpy as np
import pytest
from small_logs import BEHAVIOUR, case, everything

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.importance import trajectory_importance
from pilothouse.evaluate.logged import Logged
from pilothouse.evaluate.return_distribution import ReturnDistribution, bootstrapped_interval


def by_hand() -> Logged:
    # Returns 3, 1, 2 with weights 0.5, 1, 2.
    return Logged.of_arrays([3.0, 1.0, 2.0], [0, 1, 2], behaviour=[0.8, 0.5, 0.4], target=[0.4, 0.5, 0.8])


def test_by_hand() -> None:
    law = ReturnDistribution.of(by_hand())
    np.testing.assert_allclose(law.points, [1, 2, 3])
    np.testing.assert_allclose(law.cumulative, [2 / 7, 6 / 7, 1])
    assert law.mean() == pytest.approx((1 * 2 + 2 * 4 + 3 * 1) / 7)
    assert law.variance() == pytest.approx((1 * 2 + 4 * 4 + 9 * 1) / 7 - (13 / 7) ** 2)
    assert [float(law.quantile(p)) for p in (0.2, 2 / 7, 0.5, 0.9)] == [1, 1, 2, 3]
    assert [float(law.at_most(x)) for x in (0.5, 1, 2.5)] == pytest.approx([0, 2 / 7, 6 / 7])
    # The worst half: 2/7 of return 1 and 3/14 of return 2.
    assert law.cvar(0.5) == pytest.approx((2 / 7 + 2 * 3 / 14) / 0.5)
    assert law.cvar(1.0) == pytest.approx(law.mean())
    # Not normalised: 1/3, then 3/3; what is over 1 is cut.
    np.testing.assert_allclose(ReturnDistribution.of(by_hand(), normalised=False).cumulative, [1 / 3, 1, 1])


def test_missing_mass_lies_on_the_highest_return() -> None:
    log = Logged.of_arrays([1.0, 5.0], [0, 1], behaviour=[1.0, 1.0], target=[0.5, 0.5])
    np.testing.assert_allclose(ReturnDistribution.of(log, normalised=False).mass, [0.25, 0.75])


def test_of_the_behaviour_itself_it_is_the_returns_own_distribution() -> None:
    log = case(101, 0, target=BEHAVIOUR).logged
    for normalised in (True, False):
        law = ReturnDistribution.of(log, normalised=normalised)
        assert law.mean() == pytest.approx(log.returns.mean())
        assert law.variance() == pytest.approx(log.returns.var())
        worst = np.sort(log.returns)
        assert law.quantile(0.3) == worst[30]  # the 31st of 101 is the first with 30% at or below
        assert law.cvar(20 / 101) == pytest.approx(worst[:20].mean())
    assert ReturnDistribution.of(log).mean() == pytest.approx(trajectory_importance(log, normalised=True).value)


def exact_law() -> ReturnDistribution:
    """Of the target's returns in the small world cut after three steps: every episode with its probability."""
    whole = everything()
    order = np.argsort(whole.logged.returns, kind="stable")
    chance = whole.chance * whole.logged.weight[whole.logged.last]
    return ReturnDistribution(whole.logged.returns[order], np.cumsum(chance[order]))


def test_over_many_logs_bias_and_coverage_are_what_they_should_be() -> None:
    whole, exact = everything(), exact_law()
    assert exact.cumulative[-1] == pytest.approx(1)
    statistics = {
        "mean": lambda law: law.mean(),
        "cvar": lambda law: law.cvar(0.25),
        "median": lambda law: law.quantile(0.5),
    }
    logs, episodes = 120, 400
    generator = np.random.default_rng(0)
    starts, lengths = whole.logged.starts, whole.logged.lengths
    values, covered = {name: [] for name in statistics}, {name: [] for name in statistics}
    for seed in range(logs):
        drawn = generator.choice(len(starts), size=episodes, p=whole.chance)
        rows = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in drawn])
        log = Logged.of_arrays(
            whole.logged.reward[rows], np.repeat(np.arange(episodes), lengths[drawn]),
            behaviour=whole.logged.behaviour[rows], target=whole.logged.target[rows], discount=0.9,
        )  # fmt: skip
        law = ReturnDistribution.of(log)
        for name, statistic in statistics.items():
            values[name].append(float(statistic(law)))
            interval = bootstrapped_interval(log, statistic, resamples=200, seed=seed)
            covered[name].append(interval.contains(float(statistic(exact))))
    for name, statistic in statistics.items():
        error = 4 * np.std(values[name]) / np.sqrt(logs) + 0.01
        assert abs(np.mean(values[name]) - float(statistic(exact))) < error, name
        assert np.mean(covered[name]) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / logs), name


def test_faults_are_said_in_one_line() -> None:
    law = ReturnDistribution.of(by_hand())
    for share in (0.0, 1.5):
        with pytest.raises(SettingError, match="share"):
            law.quantile(share)
        with pytest.raises(SettingError, match="share"):
            law.cvar(share)
    with pytest.raises(DataError, match="propensities"):
        ReturnDistribution.of(Logged.of_arrays([1.0], [0]))
    with pytest.raises(DataError, match="could have come"):
        ReturnDistribution.of(Logged.of_arrays([1.0], [0], behaviour=[1.0], target=[0.0]))
