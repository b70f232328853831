import numpy as np
import pytest
from small_logs import BEHAVIOUR, DISCOUNT, TARGET, small_world

from pilothouse.core.errors import DataError, SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.evaluate.candidates import (
    behaviour_propensities,
    estimates,
    order_agreement,
    quality_of_choice,
    state_rows,
)
from pilothouse.evaluate.importance import per_decision_importance
from pilothouse.evaluate.scripted_tabular import tabular_log
from pilothouse.worlds.tabular_exact import expected_return


def numbers(actions: int = 2):
    """Forty steps with three numbers for an observation."""
    draw = np.random.default_rng(0)
    obs = draw.normal(size=(40, 3)).astype(np.float32)
    rows = {
        "obs": obs, "action": (obs[:, 0] > 0).astype(np.int64) if actions == 2 else np.zeros(40, np.int64),
        "reward": draw.normal(size=40).astype(np.float32), "next_obs": np.roll(obs, -1, axis=0),
        "terminated": np.arange(40) % 8 == 7, "truncated": np.zeros(40, bool),
    }  # fmt: skip
    return dataset_from_transitions(rows, Spec(Box((3,), -9.0, 9.0), Discrete(actions)), name="numbers")


def test_every_estimator_comes_to_the_exact_value() -> None:
    world = small_world()
    log = tabular_log(world, BEHAVIOUR, episodes=4000, seed=0)
    behaviour = BEHAVIOUR[log.obs, log.action]
    found, logged = estimates(log, lambda obs: TARGET[obs], behaviour=behaviour, discount=DISCOUNT, ridge=1e-9)
    truth = expected_return(world, TARGET, discount=DISCOUNT)
    for name, estimate in found.items():
        half = 4 / 1.96 * estimate.interval().half_width + 1e-3
        assert abs(estimate.value - truth) < (0.1 if name == "dm" else half), (
            name
        )  # DM's terms know no noise of its model
    assert found["pdis"].value == per_decision_importance(logged).value
    assert found["dm"].value == pytest.approx(found["sam"].value)  # LSTD-Q and its dual


def test_states_are_tables_or_standardised_numbers() -> None:
    log = tabular_log(small_world(), BEHAVIOUR, episodes=5, seed=0)
    now, following = state_rows(log)
    np.testing.assert_array_equal(now.argmax(1), log.obs)
    np.testing.assert_array_equal(following.argmax(1), log.next_obs)
    rows, _ = state_rows(numbers())
    assert rows.shape == (40, 4)
    np.testing.assert_allclose(rows[:, :3].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rows[:, :3].std(0), 1, atol=1e-4)
    assert (rows[:, 3] == 1).all()


def test_behaviour_is_estimated_where_it_is_not_known() -> None:
    log = tabular_log(small_world(), BEHAVIOUR, episodes=3000, seed=0)
    np.testing.assert_allclose(behaviour_propensities(log), BEHAVIOUR[log.obs, log.action], atol=0.04)
    assert behaviour_propensities(numbers()).mean() > 0.75  # one number tells the action
    assert (behaviour_propensities(numbers(actions=1)) == 1).all()


def test_quality_of_a_choice_by_hand() -> None:
    truths = {"a": 1.0, "b": 3.0, "c": 2.0}
    found = quality_of_choice({"a": 1.0, "b": 2.0, "c": 4.0}, truths, k=2, baseline=1.0)
    # Errors 0, 1, 4; the top two are c and b, worth 2 and 3: (3 - 1) / 0.5. Ranks 1 2 3 against 1 3 2.
    assert found == {"mse": pytest.approx(5 / 3), "rank": pytest.approx(0.5), "regret": 0.0, "sharpe": pytest.approx(4)}
    assert order_agreement(truths, truths) == pytest.approx(1)
    assert order_agreement(truths, {"a": 3.0, "b": 1.0, "c": 2.0}) == pytest.approx(-1)
    assert order_agreement(truths, {"a": 1.0, "b": 1.0, "c": 1.0}) == 0


def test_faults_are_said_in_one_line() -> None:
    log = tabular_log(small_world(), BEHAVIOUR, episodes=5, seed=0)
    ones = np.ones(len(log))
    with pytest.raises(DataError, match="rows that sum to 1"):
        estimates(log, lambda obs: np.ones((len(obs), 2)), behaviour=ones, discount=0.9)
    with pytest.raises(DataError, match="expected"):
        estimates(log, lambda obs: np.ones((len(obs), 3)) / 3, behaviour=ones, discount=0.9)
    rows = {"obs": np.zeros((2, 1)), "action": np.zeros((2, 1)), "reward": np.zeros(2), "next_obs": np.zeros((2, 1))}
    rows |= {"terminated": np.array([False, True]), "truncated": np.zeros(2, bool)}
    real = dataset_from_transitions(rows, Spec(Box((1,), -1.0, 1.0), Box((1,), -1.0, 1.0)), name="real")
    with pytest.raises(SpaceError, match="Discrete actions"):
        estimates(real, lambda obs: np.ones((len(obs), 1)), behaviour=np.ones(2), discount=0.9)
