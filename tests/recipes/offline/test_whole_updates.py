"""ReBRAC, TD3+BC, IQL and EDAC beside NumPy: every loss, its gradient, and one whole cycle with Adam and the slow copies.

The twin is written from the papers in float64, by loops where that is plainer, and differentiates by differences.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.data.batches import Uniform
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((2,)), Box((2,), -1.0, 1.0))
ROWS, RATE, LR, DISCOUNT = 6, 0.1, 1e-2, 0.9
SHARED = {"width": 4, "depth": 1, "batch": ROWS, "rate": RATE, "lr": LR, "discount": DISCOUNT}
NOISE = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
Parts = Mapping[str, Any]


def data() -> Batch:
    draw = np.random.default_rng(0)
    rows = {
        "obs": draw.normal(size=(ROWS, 2)), "next_obs": draw.normal(size=(ROWS, 2)),
        "action": draw.uniform(-0.9, 0.9, (ROWS, 2)), "reward": draw.normal(size=ROWS),
    }  # fmt: skip
    return Batch(
        **{name: jnp.asarray(value, jnp.float32) for name, value in rows.items()},
        terminated=jnp.arange(ROWS) == 2, truncated=jnp.arange(ROWS) == 5,
        duration=jnp.ones(ROWS, jnp.int32), episode_id=jnp.array([0, 0, 0, 1, 1, 1]),
    )  # fmt: skip


DATA = {name: np.asarray(value, np.float64) for name, value in data().items()}
OBS, NEXT, ACTION, REWARD = (DATA[name] for name in ("obs", "next_obs", "action", "reward"))
GOES_ON = DISCOUNT * (1 - DATA["terminated"])


def dense(network: Any, x: np.ndarray) -> np.ndarray:
    """A perceptron with ReLU, normalised before it where it has norms."""
    for place, layer in enumerate(network.layers[:-1]):
        x = x @ layer.weight + layer.bias
        if network.norms:
            norm = network.norms[place]
            x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * norm.scale + norm.shift
        x = np.maximum(x, 0)
    return x @ network.layers[-1].weight + network.layers[-1].bias


def members(critic: Any) -> list[Any]:
    stacked = critic.stack.members
    return [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(critic.stack.count)]


def q(critic: Any, obs: np.ndarray, action: np.ndarray) -> np.ndarray:
    """`[row, member]`."""
    return np.stack([dense(each, np.concatenate([obs, action], -1))[:, 0] for each in members(critic)], -1)


def acted(actor: Any, obs: np.ndarray) -> np.ndarray:
    return np.tanh(dense(actor.body, obs))


def squared(critic: Any, target: np.ndarray) -> float:
    return float(np.mean(((q(critic, OBS, ACTION) - target[:, None]) ** 2).sum(-1)))


def td3bc_critic(parts: Parts) -> Callable[[Any], float]:
    target = REWARD + GOES_ON * q(parts["critic/slow"], NEXT, acted(parts["actor/slow"], NEXT)).min(-1)
    return lambda critic: squared(critic, target)


def td3bc_actor(parts: Parts) -> Callable[[Any], float]:
    scale = 2.5 / np.abs(q(parts["critic"], OBS, acted(parts["actor"], OBS))[:, 0]).mean()

    def loss(actor: Any) -> float:
        action = acted(actor, OBS)
        return float(((action - ACTION) ** 2).mean() - scale * q(parts["critic"], OBS, action)[:, 0].mean())

    return loss


def rebrac_critic(parts: Parts) -> Callable[[Any], float]:
    next_action, target = acted(parts["actor/slow"], NEXT), np.zeros(ROWS)
    value = q(parts["critic/slow"], NEXT, next_action).min(-1)
    for row in range(ROWS):
        left = 0.0 if row in (2, 5) else ((next_action[row] - ACTION[row + 1]) ** 2).sum()
        target[row] = REWARD[row] + GOES_ON[row] * (value[row] - 0.3 * left)
    return lambda critic: squared(critic, target)


def rebrac_actor(parts: Parts) -> Callable[[Any], float]:
    scale = 1 / np.abs(q(parts["critic"], OBS, acted(parts["actor"], OBS)).min(-1)).mean()

    def loss(actor: Any) -> float:
        action = acted(actor, OBS)
        away = ((action - ACTION) ** 2).sum(-1)
        return float((0.7 * away - scale * q(parts["critic"], OBS, action).min(-1)).mean())

    return loss


def iql_value(parts: Parts) -> Callable[[Any], float]:
    upper = q(parts["critic/slow"], OBS, ACTION).min(-1)

    def loss(value: Any) -> float:
        gap = upper - dense(value.body, OBS)[:, 0]
        return float((np.where(gap < 0, 0.2, 0.8) * gap**2).mean())

    return loss


def iql_critic(parts: Parts) -> Callable[[Any], float]:
    target = REWARD + GOES_ON * dense(parts["value"].body, NEXT)[:, 0]
    return lambda critic: squared(critic, target)


def iql_actor(parts: Parts) -> Callable[[Any], float]:
    advantage = q(parts["critic/slow"], OBS, ACTION).min(-1) - dense(parts["value"].body, OBS)[:, 0]
    weight = np.minimum(np.exp(3 * advantage), 100)

    def loss(actor: Any) -> float:
        z = (ACTION - acted(actor, OBS)) / np.exp(actor.log_std)
        log_prob = (-0.5 * z**2 - actor.log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
        return float((-weight * log_prob).mean())

    return loss


def drawn(actor: Any, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, log_std = np.split(dense(actor.body, obs), 2, axis=-1)
    raw = mean + np.exp(log_std) * NOISE
    density = -0.5 * NOISE**2 - log_std - 0.5 * math.log(2 * math.pi) - np.log(1 - np.tanh(raw) ** 2)
    return np.tanh(raw), density.sum(-1)


def edac_critic(parts: Parts) -> Callable[[Any], float]:
    next_action, log_prob = drawn(parts["actor"], NEXT)
    value = q(parts["critic/slow"], NEXT, next_action).min(-1) - np.exp(parts["log_alpha"]) * log_prob

    def loss(critic: Any) -> float:
        total, count = squared(critic, REWARD + GOES_ON * value), critic.stack.count
        for row in range(ROWS):
            slopes = []
            for each in members(critic):
                first, last = each.layers
                alive = np.concatenate([OBS[row], ACTION[row]]) @ first.weight + first.bias > 0
                slope = (first.weight @ (alive * last.weight[:, 0]))[2:]
                slopes.append(slope / np.linalg.norm(slope))
            cosines = sum(slopes[i] @ slopes[j] for i in range(count) for j in range(count) if i != j)
            total += 0.5 * cosines / (count - 1) / ROWS
        return float(total)

    return loss


def edac_actor(parts: Parts) -> Callable[[Any], float]:
    def loss(actor: Any) -> float:
        action, log_prob = drawn(actor, OBS)
        return float((np.exp(parts["log_alpha"]) * log_prob - q(parts["critic"], OBS, action).min(-1)).mean())

    return loss


def edac_alpha(parts: Parts) -> Callable[[Any], float]:
    _, log_prob = drawn(parts["actor"], OBS)
    return lambda log_alpha: float(-log_alpha * (log_prob - 2).mean())


@dataclass(frozen=True)
class Twin:
    """What a recipe's cycle does: in each update these parts by these losses; the slow copies follow after the last."""

    settings: dict[str, Any]
    updates: tuple[dict[str, Callable[[Parts], Callable[[Any], float]]], ...]


TWINS = {
    "td3bc": Twin({"noise": 0.0}, ({"critic": td3bc_critic}, {"critic": td3bc_critic, "actor": td3bc_actor})),
    "rebrac": Twin(
        {"noise": 0.0, "actor_penalty": 0.7, "critic_penalty": 0.3},
        ({"critic": rebrac_critic}, {"critic": rebrac_critic, "actor": rebrac_actor}),
    ),
    "iql": Twin({"expectile": 0.8}, ({"value": iql_value, "critic": iql_critic, "actor": iql_actor},)),
    "edac": Twin(
        {"members": 3, "diversity": 0.5},
        ({"critic": edac_critic, "actor": edac_actor, "log_alpha": edac_alpha},),
    ),
}


def by_differences(loss: Callable[[Any], float], part: Any, step: float = 1e-6) -> Any:
    leaves, tree = jax.tree.flatten(part)
    slopes = [np.zeros_like(leaf) for leaf in leaves]
    for leaf, slope in zip(leaves, slopes, strict=True):
        for place in np.ndindex(leaf.shape):
            here, ends = leaf[place], []
            for move in (step, -step):
                leaf[place] = here + move
                ends.append(loss(jax.tree.unflatten(tree, leaves)))
            leaf[place] = here
            slope[place] = (ends[0] - ends[1]) / (2 * step)
    return jax.tree.unflatten(tree, slopes)


def wide(tree: Any) -> Any:
    return jax.tree.map(lambda x: np.array(x, np.float64), tree)


def cycle(twin: Twin, parts: dict[str, Any]) -> dict[str, Any]:
    """Every update of a cycle, by Adam of Kingma and Ba, arXiv:1412.6980, algorithm 1."""
    moments: dict[str, tuple[Any, Any, int]] = {}
    for update in twin.updates:
        moved = dict(parts)
        for name, loss in update.items():
            slope = by_differences(loss(parts), parts[name])
            zeros = jax.tree.map(np.zeros_like, slope)
            first, second, time = moments.get(name, (zeros, zeros, 0))
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, second, slope)
            moments[name] = first, second, time + 1
            one, two = 1 - 0.9 ** (time + 1), 1 - 0.999 ** (time + 1)
            moved[name] = jax.tree.map(
                lambda x, m, v, one=one, two=two: x - LR * (m / one) / (np.sqrt(v / two) + 1e-8),
                parts[name], first, second,
            )  # fmt: skip
        parts = moved
    for name in [name for name in parts if name.endswith("/slow")]:
        live = parts[name.removesuffix("/slow")]
        parts[name] = jax.tree.map(lambda old, new: old + RATE * (new - old), parts[name], live)
    return parts


@pytest.mark.parametrize("name", TWINS)
def test_losses_gradients_and_a_whole_cycle_equal_numpy_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin, recipe = TWINS[name], load_recipe(name)
    bound = recipe(**SHARED, **twin.settings)
    # Every batch is the whole of the data, in order, and every normal draw is the same.
    every = jnp.arange(ROWS)
    monkeypatch.setattr(Uniform, "plan", lambda self, parts, key, times: jnp.broadcast_to(every, (times, ROWS)))
    monkeypatch.setattr(
        jax.random, "normal", lambda key, shape=(), dtype=jnp.float32: jnp.asarray(NOISE).reshape(shape)
    )
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([3], bound.floats), fixed={"data": data()})

    def now() -> dict[str, Any]:
        return {key: jax.tree.map(lambda x: x[0], part) for key, part in machine.state.parts.items()}

    before = jax.tree.map(np.array, now())
    last = bound.build(SPEC).stages[-1].cycle[-1]
    assert isinstance(last, Fit)
    batch, _ = last.batches.take({"data": data()}, every, jax.random.key(0))
    for part, written in twin.updates[-1].items():

        @eqx.filter_jit
        def ours(trained: Any, part: str = part) -> Any:
            def total(trained: Any) -> Any:
                mine = [each for each in last.objectives if part in each.trains]
                parts = {**before, part: trained}
                return sum(each.weight * each.loss(parts, batch, jax.random.key(0))[0] for each in mine)  # pyright: ignore

            return jax.value_and_grad(total)(trained)

        value, slope = ours(jax.tree.map(jnp.asarray, before[part]))
        # SAC's loss of its temperature aside, the objectives of a part are compared as they are summed.
        loss = written(wide(before))
        np.testing.assert_allclose(value, loss(wide(before[part])), rtol=1e-5, atol=1e-6)
        for got, wanted in zip(
            jax.tree.leaves(slope), jax.tree.leaves(by_differences(loss, wide(before[part]))), strict=True
        ):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    machine.advance(1)
    after, wanted = now(), cycle(twin, wide(before))
    assert after.keys() == wanted.keys()
    for part in wanted:
        for got, leaf in zip(jax.tree.leaves(after[part]), jax.tree.leaves(wanted[part]), strict=True):
            np.testing.assert_allclose(got, leaf, atol=1e-5, err_msg=part)
        moved = [np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (after[part], before[part])), strict=True)]
        assert max(moved) > 1e-4
