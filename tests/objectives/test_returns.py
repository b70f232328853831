"""Returns and advantages against slow loops."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.objectives.returns import discounted_returns, generalised_advantages, lambda_returns, n_step_returns


def segment(seed: int, time: int = 12):
    draw = np.random.default_rng(seed)
    reward, value, after = (draw.normal(size=time).astype("f4") for _ in range(3))
    terminated = draw.random(time) < 0.2
    truncated = ~terminated & (draw.random(time) < 0.2)
    return reward, value, after, terminated, truncated


def arrays(*given):
    return tuple(jnp.asarray(x) for x in given)


def test_advantages_by_hand() -> None:
    # Two steps, discount 0.5, lambda 0.5. Second: 1 + 0.5 * 4 - 2 = 1. First: 1 + 0.5 * 2 - 3 + 0.25 * 1 = -0.75.
    found = generalised_advantages(
        *arrays([1.0, 1.0], [3.0, 2.0], [2.0, 4.0], [False, False], [False, False]), discount=0.5, lam=0.5
    )
    np.testing.assert_allclose(found, [-0.75, 1.0])
    # A termination at the first: 1 - 3 = -2, and nothing comes from behind. A truncation there: 1 + 0.5 * 2 - 3 = -1.
    for terminated, truncated, wanted in ([True, False, -2.0], [False, True, -1.0]):
        found = generalised_advantages(
            *arrays([1.0, 1.0], [3.0, 2.0], [2.0, 4.0], [terminated, False], [truncated, False]), discount=0.5, lam=0.5
        )
        np.testing.assert_allclose(found, [wanted, 1.0])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_advantages_and_lambda_returns_are_what_a_loop_finds(seed: int, discount: float, lam: float) -> None:
    reward, value, after, terminated, truncated = segment(seed)
    wanted, following = np.zeros(12), 0.0
    for t in reversed(range(12)):
        delta = reward[t] + discount * after[t] * (not terminated[t]) - value[t]
        following = delta + discount * lam * following * (not (terminated[t] or truncated[t]))
        wanted[t] = following
    ends = arrays(terminated, truncated)
    found = generalised_advantages(*arrays(reward, value, after), *ends, discount=discount, lam=lam)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    # Where the value after a row is the value of the next row, advantage plus value is the lambda return.
    goes_on = ~(terminated | truncated)
    after[:-1] = np.where(goes_on[:-1], value[1:], after[:-1])
    both = arrays(reward, value, after)
    advantage = generalised_advantages(*both, *ends, discount=discount, lam=lam)
    returns = lambda_returns(both[0], both[2], *ends, discount=discount, lam=lam)
    np.testing.assert_allclose(advantage + both[1], returns, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 14))
def test_n_steps_are_what_a_loop_finds_and_end_in_the_two_known_cases(seed: int, steps: int) -> None:
    reward, _, after, terminated, truncated = segment(seed)
    wanted = np.zeros(12)
    for t in range(12):
        weight, at = 1.0, t
        for k in range(steps):
            at = t + k
            wanted[t] += weight * reward[at]
            weight *= 0.9
            if terminated[at] or truncated[at] or at == 11:
                break
        wanted[t] += 0.0 if terminated[at] else weight * after[at]
    given_ = arrays(reward, after, terminated, truncated)
    found = n_step_returns(*given_, discount=0.9, steps=steps)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    if steps == 1:
        np.testing.assert_allclose(found, lambda_returns(*given_, discount=0.9, lam=0.0), rtol=1e-5, atol=1e-6)
    if steps >= 12:
        np.testing.assert_allclose(found, discounted_returns(*given_, discount=0.9), rtol=1e-4, atol=1e-5)


def test_rows_that_are_not_valid_stop_the_recursion() -> None:
    ones, no = jnp.ones(3), jnp.zeros(3, bool)
    valid = jnp.array([True, False, True])
    found = generalised_advantages(ones, 0 * ones, 0 * ones, no, no, discount=1.0, lam=1.0, valid=valid)
    np.testing.assert_array_equal(found, [1, 0, 1])
