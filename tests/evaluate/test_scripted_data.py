"""Hand-written behaviour, mixed."""

import numpy as np

from pilothouse.evaluate.scripted_data import mixed_pendulum


def test_levels_differ_as_their_names_say_and_hand_over_by_truncation() -> None:
    def mean(**steps: int) -> float:
        given = {"random": 0, "poor": 0, "good": 0} | steps
        return float(np.mean(mixed_pendulum(**given).returns))

    assert mean(random=1000) < -900
    assert mean(random=1000) + 400 < mean(poor=1000) < mean(good=1000, poor=0) + 400
    mixed = mixed_pendulum(random=250, poor=250, good=0)
    rows = mixed.rows()
    assert len(mixed) == 500 and rows.truncated[249] and rows.truncated[499] and not rows.terminated.any()
    assert mixed.episodes == 4  # 200 + 50, twice


def test_the_same_seed_gives_the_same_data() -> None:
    one, two, other = (mixed_pendulum(random=50, poor=50, good=0, seed=seed) for seed in (1, 1, 2))
    assert one.fingerprint == two.fingerprint != other.fingerprint
