"""By hand: a window of two rounds, shortened by 30, with a tolerance of a tenth."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.curriculum import guide_steps, shorten_guide
from pilothouse.core.batch import Batch

KEY = jax.random.key(0)


def test_a_guide_acts_less_when_a_full_window_is_near_the_best() -> None:
    now, seen = guide_steps(100, 2)(KEY), []
    for return_ in (1.0, 3.0, 1.0, 2.0, 3.0, 0.61, 9.0, 9.0, 9.0, 9.0):
        now = now.after(jnp.float32(return_), 30, 0.1)
        seen.append((int(now.steps), float(now.best)))
    # The first window, mean 2, always counts: 70, best 2. (1, 2) has mean 1.5 < 1.8: stays; (2, 3), mean 2.5: 40, best
    # 2.5. (0.61, …) has one round only; (0.61, 9): 10, best 4.805; then (9, 9): 0, not below; and so it stays.
    steps = [100, 70, 70, 70, 40, 40, 10, 10, 0, 0]
    assert [s for s, _ in seen] == steps
    np.testing.assert_allclose([b for _, b in seen], [0, 2, 2, 2, 2.5, 2.5, 4.805, 4.805, 9, 9], rtol=1e-6)


def test_a_tolerance_is_a_share_of_the_size_of_negative_returns_too() -> None:
    for return_, advances in ((-109.0, True), (-111.0, False)):  # best -100, a tenth of it is 10
        now = guide_steps(100, 1)(KEY).after(jnp.float32(-100.0), 30, 0.1).after(jnp.float32(return_), 30, 0.1)
        assert (int(now.steps) == 40) == advances and float(now.best) == -100.0


def test_rounds_are_measured_by_their_valid_rows_alone() -> None:
    rows = Batch(reward=jnp.array([[1.0, 2.0], [5.0, 4.0]]), valid=jnp.array([[True, True], [False, True]]))
    rule = shorten_guide("guide/steps", "episodes", 30, 0.1)
    parts = {"guide/steps": guide_steps(100, 1)(KEY), "episodes": rows}
    changed = rule.change(parts, None, {}, KEY)["guide/steps"]
    assert float(changed.recent[0]) == 3.5  # (1 + 2 + 4) over two episodes
