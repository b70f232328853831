"""IV-OPE mixes instruments into a policy; taking the logged action at its word is off by what the hidden cause does."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.instrumental import (
    InstrumentedRows,
    estimate_nuisances,
    instrument_weights,
    iv_direct,
    iv_doubly_robust,
    iv_marginal,
)
from pilothouse.evaluate.logged import Logged
from pilothouse.evaluate.scripted_confounded import ConfoundedWorld
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.recipes.evaluate.iv_ope import iv_ope
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import expected_return, values

DISCOUNT, STATES = 0.8, 3
TABLE = np.tile([0.2, 0.8], (STATES, 1))
PLACE = ConfoundedWorld.drawn(STATES, seed=0)
TRUTH = expected_return(PLACE.world, TABLE, discount=DISCOUNT)
LOG, INSTRUMENT = PLACE.log(episodes=2000, steps=20, seed=1)
ROWS = InstrumentedRows(LOG.obs, INSTRUMENT, LOG.action, LOG.next_obs, Logged.of(LOG, discount=DISCOUNT))


def test_weights_mix_the_instruments_into_the_policy() -> None:
    # Action 1 in 0.2 and 0.7 of cases, always wanted: (1 - 0.2) / 0.5 = 1.6 of the second instrument, -0.6 of the first.
    taken = np.array([[0.2, 0.7], [0.6, 0.1]])
    weights = instrument_weights(taken, np.array([1.0, 0.35]))
    np.testing.assert_allclose(weights, [[-0.6, 1.6], [0.5, 0.5]])
    np.testing.assert_allclose((weights * taken).sum(1), [1.0, 0.35])
    # One that hardly moves the action is believed to move it by 0.01, in its own direction.
    weak = instrument_weights(np.array([[0.5, 0.499]]), np.array([0.6]))
    np.testing.assert_allclose(weak, [[1 + 10, -10]])


def test_one_step_is_walds_ratio() -> None:
    # One state, one step. Instrument 0: action 1 in 1 of 4 rows, mean reward 1; instrument 1: in 3 of 4, mean reward 2.
    # The effect of the action is (2 - 1) / (3/4 - 1/4) = 2: action 1 always gives 1 + 2 · 3/4 = 2.5, never 0.5.
    instrument = np.repeat([0, 1], 4)
    action = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    reward = np.array([4.0, 0, 0, 0, 2, 2, 2, 2])
    rows = InstrumentedRows(
        np.zeros(8, int), instrument, action, np.zeros(8, int), Logged.of_arrays(reward, np.arange(8), discount=0.9)
    )
    for wanted, worth in ((1.0, 2.5), (0.0, 0.5), (0.5, 1.5)):
        known = estimate_nuisances(rows, np.array([wanted]))
        for estimator in (iv_direct, iv_marginal, iv_doubly_robust):
            assert estimator(rows, known).value == pytest.approx(worth, abs=2e-3)


def test_the_instrument_finds_the_value_and_the_logged_action_does_not() -> None:
    said = iv_ope(discount=DISCOUNT).build(PLACE.world.spec)(LOG, target=lambda obs: TABLE[obs], instrument=INSTRUMENT)
    for name in ("iv/dm", "iv/mis", "iv/dr"):
        assert said[name] == pytest.approx(TRUTH, abs=0.35), name
    assert abs(said["iv/dr"] - TRUTH) < 1.5 * said["iv/dr/half_width"]
    # Fails where the instrument is replaced by the action itself, which is what the naive estimates take.
    for name in ("naive/dm", "naive/sam"):
        assert said[name] - TRUTH > 0.5, name
    assert 0.3 < said["compliance"] < 0.45 and said["compliance/too_weak"] == 0


def exact() -> tuple[np.ndarray, ...]:
    """What the log's counts tend to."""
    taken = PLACE.taken.mean(2)
    assigned = np.stack([1 - PLACE.assigned, PLACE.assigned], axis=1)
    world = PLACE.world
    q = np.asarray(world.reward, float) + DISCOUNT * np.asarray(world.transition, float) @ values(
        world, TABLE, discount=DISCOUNT
    )
    chances = np.stack([1 - taken, taken], axis=-1)
    # The hidden cause makes action 1 likelier when it pays, but on average over it pays nothing.
    return assigned, taken, np.einsum("sza,sa->sz", chances, q), values(world, TABLE, discount=DISCOUNT)


def test_counts_find_what_holds_on_average() -> None:
    assigned, taken, outcome, value = exact()
    known = estimate_nuisances(ROWS, TABLE[:, 1])
    np.testing.assert_allclose(known.assigned, assigned, atol=0.02)
    np.testing.assert_allclose(known.taken, taken, atol=0.02)
    np.testing.assert_allclose(known.outcome, outcome, atol=0.3)
    np.testing.assert_allclose(known.value, value, atol=0.3)


def test_it_is_right_where_the_outcomes_are_or_the_visits_are() -> None:
    known = estimate_nuisances(ROWS, TABLE[:, 1])
    wrong = np.array([[3.0, -1.0], [0.0, 2.0], [-2.0, 1.0]])
    misvalued = known._replace(outcome=wrong, value=(known.weights * wrong).sum(1))
    lost = known._replace(visits=known.visits * np.array([0.2, 3.0, 1.5]))
    assert abs(iv_direct(ROWS, misvalued).value - TRUTH) > 1
    assert abs(iv_marginal(ROWS, lost).value - TRUTH) > 1
    for broken in (misvalued, lost):
        assert iv_doubly_robust(ROWS, broken).value == pytest.approx(TRUTH, abs=0.35)
    both = misvalued._replace(visits=lost.visits)
    assert abs(iv_doubly_robust(ROWS, both).value - TRUTH) > 1


def test_without_a_hidden_cause_all_agree_and_without_an_instrument_only_the_naive_speak() -> None:
    plain = ConfoundedWorld.drawn(STATES, seed=0, push=0.0, share=0.0)
    log, instrument = plain.log(episodes=1000, steps=20, seed=2)
    truth = expected_return(plain.world, TABLE, discount=DISCOUNT)
    assess = iv_ope(discount=DISCOUNT).build(plain.world.spec)
    said = assess(log, target=lambda obs: TABLE[obs], instrument=instrument)
    for name in ("iv/dm", "iv/dr", "naive/dm", "naive/sam"):
        assert said[name] == pytest.approx(truth, abs=0.25), name
    assert not any(name.startswith(("iv", "compliance")) for name in assess(log))


def test_the_log_is_that_of_the_tables() -> None:
    chosen = (LOG.obs == 1) & (INSTRUMENT == 1)
    assert INSTRUMENT[LOG.obs == 1].mean() == pytest.approx(PLACE.assigned[1], abs=0.02)
    assert LOG.action[chosen].mean() == pytest.approx(PLACE.taken[1, 1].mean(), abs=0.02)
    here = (LOG.obs == 1) & (LOG.action == 0)
    seen = LOG.reward[here] - PLACE.reward[1, 0]
    assert set(np.round(seen, 6)) == {-PLACE.push, PLACE.push} and seen.mean() < -0.1
    assert LOG.episodes == 2000 and (LOG.lengths == 20).all() and LOG.truncated.sum() == 2000


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="instrument has 40000 rows from 0 to 2; expected 0 or 1"):
        estimate_nuisances(ROWS._replace(instrument=2 * INSTRUMENT), TABLE[:, 1])
    with pytest.raises(SettingError, match="discount=1; values"):
        iv_ope(discount=1.0).build(PLACE.world.spec)(LOG, instrument=INSTRUMENT)
    with pytest.raises(SettingError, match="weakest=0"):
        instrument_weights(np.array([[0.2, 0.7]]), np.array([1.0]), weakest=0.0)
    world = Tabular.of(np.full((2, 3, 2), 0.5), np.zeros((2, 3)), horizon=3)
    log = tabular_log(world, np.full((2, 3), 1 / 3), episodes=2)
    with pytest.raises(DataError, match="with 2 actions, not 3"):
        iv_ope().build(world.spec)(log, instrument=np.zeros(len(log)))
