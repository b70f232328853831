"""Fitted Q on held-out episodes: exact tabular values, the split, and when an estimate is trusted."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Algorithm
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.evaluate.departure import Departure
from pilothouse.evaluate.held_out_q import (
    OfflineEstimate,
    evaluate_offline,
    product_operations,
    returns_to_go,
    split_rows,
)
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


def lived(world: Tabular, episodes: int, seed: int) -> tuple[Batch, np.ndarray]:
    """Episodes of six random steps from places in turn; cut by time, which must change no value."""
    draw, rows, starts = np.random.default_rng(seed), [], []
    for number in range(episodes):
        place = number % 4
        starts.append(len(rows))
        for step in range(6):
            action = int(draw.integers(2))
            following = int(np.asarray(world.transition)[place, action].argmax())
            over = bool(np.asarray(world.terminal)[following])
            reward = float(np.asarray(world.reward)[place, action])
            rows.append((place, action, following, reward, over, step == 5 and not over, number))
            place = following
            if over:
                break
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    obs, action, following, reward, over, cut, episode = columns
    return (
        Batch(
            obs=obs.astype(np.int32), action=action.astype(np.int32), next_obs=following.astype(np.int32),
            reward=reward.astype(np.float32), terminated=over, truncated=cut, duration=np.ones(len(obs), np.int32),
            episode_id=episode.astype(np.int32), valid=np.ones(len(obs), bool),
        ),
        np.array(starts),
    )  # fmt: skip


class Table(Memoryless):
    """Takes the action of its table."""

    actions: Any

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return self.actions[obs].astype(jnp.int32), carry, {}


def studied(floats: Mapping[str, Any]) -> Algorithm:
    return Algorithm(parts={}, stages=(), acts=lambda parts: Table(parts["table"]))


ONWARD, BACK = np.array([0, 0, 0, 0, 0]), np.array([0, 0, 1, 0, 0])


def test_values_are_the_exact_ones_at_held_out_starts() -> None:
    world = ring_road()
    rows, starts = lived(world, 60, 0)
    split = split_rows(rows, starts, discount=DISCOUNT)
    parts = {"table": jnp.asarray(np.stack([ONWARD, BACK]))}
    found = evaluate_offline(
        studied, world.spec, split, parts, {}, updates=1500, discount=DISCOUNT, width=16, lr=3e-3, batch=64
    )
    for lane, actions in enumerate((ONWARD, BACK)):
        exact = values(world, np.eye(2)[actions], discount=DISCOUNT)
        np.testing.assert_allclose(found.values[lane], exact[np.asarray(split.starts)], atol=0.1)
        # In a world this small every choice was taken everywhere: nothing is outside, and nothing to doubt.
        assert found.departure.outside[lane] == 0.0 and found.doubt(lane) == ""
    assert found.error.max() < 0.1 and found.rows == len(split.rows.reward)


def test_the_split_shares_no_episode_and_keeps_a_fifth() -> None:
    rows, starts = lived(ring_road(), 50, 1)
    split = split_rows(rows, starts, discount=DISCOUNT)
    held, fitted = set(np.asarray(split.checked.episode_id)), set(np.asarray(split.rows.episode_id))
    assert len(held) == 10 and len(fitted) == 40 and not held & fitted and len(split.starts) == 10
    assert set(np.asarray(split.trained.episode_id)) <= fitted
    single = split_rows(*lived(ring_road(), 1, 1), discount=DISCOUNT)
    assert not single.whole and len(single.starts) == 1


def test_returns_to_go_by_hand() -> None:
    rows = Batch(reward=np.array([1.0, 2.0, 4.0, 8.0]), duration=np.array([1, 1, 1, 2]))
    # Two episodes of two rows: 1 + 2 / 2, 2; 4 + 8 / 2, 8.
    np.testing.assert_allclose(returns_to_go(rows, np.array([0, 2]), 0.5), [2, 2, 8, 8])


def pushed(count: int, seed: int) -> tuple[Batch, np.ndarray, Spec]:
    """A point on a line that is pushed against where it is, noisily: the data hold one way to act in each place."""
    draw = np.random.default_rng(seed)
    obs = draw.uniform(-1, 1, (count, 1)).astype(np.float32)
    action = np.clip(-0.8 * obs + 0.05 * draw.normal(size=obs.shape), -1, 1).astype(np.float32)
    ends = np.arange(count) % 10 == 9
    rows = Batch(
        obs=obs, action=action, next_obs=np.clip(obs + 0.5 * action, -1, 1), reward=-np.abs(obs[:, 0]),
        terminated=np.zeros(count, bool), truncated=ends, duration=np.ones(count, np.int32),
        episode_id=(np.arange(count) // 10).astype(np.int32), valid=np.ones(count, bool),
    )  # fmt: skip
    return rows, np.arange(0, count, 10), Spec(Box((1,)), Box((1,), -1.0, 1.0))


class Linear(Memoryless):
    """Acts by a gain on what it sees."""

    gain: Any

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return jnp.clip(self.gain * obs, -1.0, 1.0), carry, {}


def test_a_policy_that_copies_the_data_is_trusted_and_one_far_outside_is_not() -> None:
    rows, starts, spec = pushed(2_000, 0)
    split = split_rows(rows, starts, discount=0.8)
    build = lambda floats: Algorithm(parts={}, stages=(), acts=lambda parts: Linear(parts["gain"]))  # noqa: E731
    parts = {"gain": jnp.asarray([-0.8, 1.0])}
    found = evaluate_offline(build, spec, split, parts, {}, updates=600, width=16, lr=3e-3, discount=0.8, batch=64)
    assert found.doubt(0) == "" and found.departure.outside[0] < 0.1
    assert "leaves the data" in found.doubt(1) and found.departure.outside[1] > 0.7
    assert found.interval().contains(found.mean())


def estimate(**changed: Any) -> OfflineEstimate:
    given: dict[str, Any] = {
        "values": np.array([[1.0, 3.0]]), "disagreement": np.zeros(1), "error": np.zeros(1), "trained_error": np.zeros(1),
        "departure": Departure(np.zeros(1), np.ones(1)), "possible": (-2.0, 10.0), "spread": 1.0, "rows": 9,
    }  # fmt: skip
    return OfflineEstimate(**{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"values": np.array([[1.0, np.nan]])}, "diverged"),
        ({"values": np.array([[10.0, 11.0]])}, "outside what the data's rewards allow"),
        ({"whole": False}, "single episode"),
        ({"remembers": True}, "memory"),
        ({"departure": Departure(np.array([0.3]), np.ones(1))}, "leaves the data in 30%"),
        ({"disagreement": np.array([0.5])}, "disagree"),
        ({"disagreement": np.array([0.3])}, ""),
        ({"error": np.array([0.5]), "trained_error": np.array([0.2])}, "temporal-difference"),
        ({"error": np.array([0.19])}, ""),
    ],
)
def test_each_reason_to_doubt(changed: dict[str, Any], words: str) -> None:
    said = estimate(**changed).doubt(0)
    assert words in said and bool(words) == bool(said)


def test_operations_are_counted_through_loops() -> None:
    def twice(x: Any, w: Any) -> Any:
        return jax.lax.scan(lambda c, _: (c @ w, None), x, None, length=5)[0] @ w

    # Six products of (2, 3) by (3, 3): 2 * 2 * 3 * 3 = 36 operations each.
    traced = jax.make_jaxpr(jax.jit(twice))(jnp.ones((2, 3)), jnp.ones((3, 3)))
    assert product_operations(traced.jaxpr) == 6 * 36
