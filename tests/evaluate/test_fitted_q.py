"""Fitted Q against the exact values of a tabular world, and the reasons that it gives to doubt it."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.batch import Batch
from pilothouse.evaluate.fitted_q import FittedQ, fitted_q
from pilothouse.policies.policy import Memoryless
from pilothouse.worlds.tabular import Tabular
from pilothouse.worlds.tabular_exact import values

DISCOUNT = 0.5


def ring_road() -> Tabular:
    """Five places: action 0 goes on, action 1 goes back to the first; the last is terminal. No chance anywhere."""
    onward = np.zeros((5, 2, 5))
    for place in range(4):
        onward[place, 0, place + 1] = onward[place, 1, 0] = 1
    onward[4, :, 4] = 1
    reward = np.array([[0.0, 1.0], [0.5, -1.0], [-1.0, 0.0], [4.0, 0.5], [7.0, 7.0]])  # the last never counts
    return Tabular.of(onward, reward, terminal=[0, 0, 0, 0, 1])


def every_step(world: Tabular) -> Batch:
    """Each place and action once, places in turn, so that rows 0 and 4 are of the first place and the third.

    Whatever does not terminate is cut by a time limit, which must change no value.
    """
    place, action = (x.ravel() for x in np.meshgrid(np.arange(4), np.arange(2), indexing="ij"))
    following = np.asarray(world.transition)[place, action].argmax(-1)
    over = np.asarray(world.terminal)[following]
    return Batch(
        obs=place.astype(np.int32), action=action.astype(np.int32), next_obs=following.astype(np.int32),
        reward=np.asarray(world.reward)[place, action], terminated=over, truncated=~over,
        duration=np.ones(8, np.int32), episode_id=np.arange(8, dtype=np.int32), valid=np.ones(8, bool),
    )  # fmt: skip


class Table(Memoryless):
    """Draws by the row of its table."""

    probabilities: Any

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jax.random.categorical(key, jnp.log(self.probabilities[obs])).astype(jnp.int32), carry, {}


def studied(floats: Mapping[str, Any]) -> Algorithm:
    return Algorithm(parts={}, stages=(), acts=lambda parts: Table(parts["table"]))


ALWAYS_ON = np.tile([1.0, 0.0], (5, 1))
BACK_FROM_TWO = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [1, 0.0]])
EITHER = np.full((5, 2), 0.5)
POLICIES = np.stack([ALWAYS_ON, BACK_FROM_TWO, EITHER])


@pytest.fixture(scope="module")
def found() -> FittedQ:
    """Three policies, one program; estimated at places 0 and 2, whose first action is the policy's own."""
    world = ring_road()
    parts = {"table": jnp.asarray(POLICIES)}
    return fitted_q(
        studied, world.spec, every_step(world), [0, 4], parts, {}, updates=1500, discount=DISCOUNT, width=16, lr=3e-3
    )


def test_values_are_the_exact_ones(found: FittedQ) -> None:
    world = ring_road()
    # The first by hand, from place 0: 0 + 0.5 / 2 - 1 / 4 + 4 / 8 = 0.5; from place 2: -1 + 4 / 2 = 1.
    np.testing.assert_allclose(values(world, ALWAYS_ON, discount=DISCOUNT)[[0, 2]], [0.5, 1.0])
    for lane in (0, 1):
        exact = values(world, POLICIES[lane], discount=DISCOUNT)[[0, 2]].mean()
        assert found.values[lane] == pytest.approx(exact, abs=0.05)
    assert found.doubt() == ""


def test_a_policy_that_draws_is_valued_at_its_own_first_actions(found: FittedQ) -> None:
    """The estimate takes one draw at each start, so it is near the value of one of the actions that it may draw."""
    from pilothouse.worlds.tabular_exact import action_values

    exact = action_values(ring_road(), EITHER, discount=DISCOUNT)
    possible = [(exact[0, a] + exact[2, b]) / 2 for a in (0, 1) for b in (0, 1)]
    assert min(abs(found.values[2] - value) for value in possible) < 0.1


def test_possible_values_are_the_extreme_rewards_for_ever(found: FittedQ) -> None:
    assert found.possible == pytest.approx((-1 / 0.5, 4 / 0.5))


@pytest.mark.parametrize(
    ("values", "disagreement", "words"),
    [
        ([1.0, np.nan], [0.0, 0.0], "diverged"),
        ([1.0, 10.5], [0.0, 0.0], "outside what the data's rewards allow"),
        ([1.0, -2.5], [0.0, 0.0], "outside"),
        ([1.0, 5.0], [0.0, 1.1], "disagree"),
        ([1.0, 5.0], [0.1, 0.9], ""),
    ],
)
def test_each_reason_to_doubt(values: list[float], disagreement: list[float], words: str) -> None:
    said = FittedQ(np.array(values), np.array(disagreement), (-2.0, 10.0)).doubt()
    assert words in said and bool(words) == bool(said)
