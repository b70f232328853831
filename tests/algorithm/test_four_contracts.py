"""Four methods that strain the engine in different directions, on toy tasks, none with a line in the engine.

A second fit repeated until a bound; a meta-gradient; two players in one world; a forest refitted on the host.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.tree import DecisionTreeRegressor

from pilothouse.algorithm.interpreter import Source, gradients
from pilothouse.algorithm.rules import advantages, copy
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Repeat, Rule, copy_of
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, DictSpace, Discrete, Spec
from pilothouse.data.batches import Sweep, Whole
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.distributions import kl
from pilothouse.objectives.terms import evaluate, importance_weighted, kl_from_beside, squared_value_error, terms
from pilothouse.policies.actor_critic import agent_mode, agent_sampled
from pilothouse.policies.policy import Memoryless
from pilothouse.train.machine import Lanes, Machine
from pilothouse.worlds.registry import world
from pilothouse.worlds.world import Outcome

RADIUS = 0.01


def divergences(parts: Any) -> jax.Array:
    """KL from the policy before the cycle to the one now, at every state of the rollout."""
    obs = parts["rollout"].obs.reshape(-1, *parts["rollout"].obs.shape[2:])
    now, before = (jax.vmap(parts[name])(obs)[0] for name in ("agent", "before"))
    return kl(before, now)


def fixpo(floats: Any) -> Algorithm:
    spec = world("cartpole").spec
    gain = terms(
        evaluate("agent", beside="before"),
        (importance_weighted(normalise=True), 1.0),
        (squared_value_error, 0.5),
        (kl_from_beside, lambda parts: jax.nn.softplus(parts["beta"])),
    )
    back = terms(evaluate("agent", beside="before"), (kl_from_beside, 1.0))

    def penalty(parts: Any, batch: Batch, key: Any) -> Any:
        divergence, _ = terms(evaluate("agent", beside="before"), (kl_from_beside, 1.0))(parts, batch, key)
        return jax.nn.softplus(parts["beta"]) * (RADIUS - 3 * divergence), {}

    def watch(parts: Any, batch: Any, aux: Any, key: Any) -> dict[str, Any]:
        return {"largest": divergences(parts).max()}

    steps = (
        copy("agent", "before"),
        Collect("rollout", 32, agent_sampled("agent")),
        advantages(0.99, 0.95),
        Fit((Objective(gain, ("agent",)), Objective(penalty, ("beta",))), Sweep("rollout", 2, 4)),
    )
    fixup = Repeat(
        (Fit((Objective(back, ("agent",)),), Sweep("rollout", 2, 1)),), 200, lambda p: divergences(p).max() <= RADIUS
    )
    return Algorithm.of(
        parts={
            "agent": actor_and_value(spec, 16),
            "before": copy_of("agent"),
            "beta": lambda key: jnp.zeros(()),
            "largest": lambda key: jnp.zeros(()),
        },
        cycle=(*steps, *((fixup,) if floats["fixup"] is None else ()), Rule(watch, ("largest",))),
        acts=agent_mode("agent"),
        optimizer=optax.adam(3e-3),
    )


def largest_divergences(*, fixed_up: bool) -> list[float]:
    build = lambda floats: fixpo({**floats, "fixup": None if fixed_up else 0})  # noqa: E731
    machine = Machine(build, Lanes.of([0]), worlds={"world": Source(world("cartpole"), 4)}, cycles=6)
    found = []
    for _ in range(6):
        machine.advance(1)
        found.append(float(machine.state.parts["largest"][0]))
    assert all(count == 1 for count in machine.traces.values())
    return found


def test_fixpo_a_second_fit_repeats_until_the_bound_holds() -> None:
    assert max(largest_divergences(fixed_up=True)) <= RADIUS
    assert max(largest_divergences(fixed_up=False)) > RADIUS


def inner(parts: Any, batch: Batch) -> jax.Array:
    """How far the actor is from the targets."""
    return jnp.mean((batch.x @ parts["actor"] - batch.y) ** 2)


def guided(parts: Any, batch: Batch, key: Any) -> Any:
    return inner(parts, batch) + jnp.mean(jnp.tanh(batch.x @ parts["guide"]) * (batch.x @ parts["actor"])), {}


def pays_off(parts: Any, batch: Batch, key: Any) -> Any:
    """The actor's own loss after one guided step of it: GILD's question to the guide."""
    gradient = jax.grad(lambda actor: guided({**parts, "actor": actor}, batch, key)[0])(parts["actor"])
    return inner({**parts, "actor": parts["actor"] - 0.1 * gradient}, batch), {}


def test_gild_a_meta_gradient_equals_finite_differences() -> None:
    with jax.enable_x64(True):
        draw = np.random.default_rng(0).normal
        batch = Batch(x=jnp.asarray(draw(size=(8, 3))), y=jnp.asarray(draw(size=8)))
        parts = {"actor": jnp.asarray(draw(size=3)), "guide": jnp.asarray(draw(size=3))}
        fit = Fit((Objective(guided, ("actor",)), Objective(pays_off, ("guide",))), Whole("data"))
        found, _, _ = gradients(fit, parts, batch, jax.random.key(0))
        small = 1e-5
        for place in range(3):
            ends = [
                pays_off({**parts, "guide": parts["guide"].at[place].add(sign * small)}, batch, None)[0]
                for sign in (1, -1)
            ]
            np.testing.assert_allclose(found["guide"][place], (ends[0] - ends[1]) / (2 * small), rtol=1e-5)
        assert np.abs(found["guide"]).max() > 1e-4
        # The actor is moved by its own objective alone: what the guide hopes for does not reach it.
        alone = jax.grad(lambda actor: guided({**parts, "actor": actor}, batch, None)[0])(parts["actor"])
        np.testing.assert_allclose(found["actor"], alone, rtol=1e-12)


@jax.tree_util.register_static
class Matching:
    """One step: two players choose; the first gains 1 where they agree, the second where they differ."""

    spec = Spec(Box((1,)), DictSpace.of({"one": Discrete(2), "two": Discrete(2)}))
    horizon = 1

    def reset(self, task: Any, key: Any) -> Any:
        return jnp.zeros(()), jnp.ones(1)

    def step(self, state: Any, action: Any, key: Any) -> Any:
        agree = jnp.where(action["one"] == action["two"], 1.0, -1.0)
        return state, Outcome(jnp.ones(1), agree, jnp.array(True), jnp.array(False))


class Players(Memoryless):
    one: jax.Array
    two: jax.Array

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        keys = jax.random.split(key)
        return (
            {"one": jax.random.categorical(keys[0], self.one), "two": jax.random.categorical(keys[1], self.two)},
            carry,
            {},
        )


def plays(name: str, sign: float) -> Objective:
    def loss(parts: Any, batch: Batch, key: Any) -> Any:
        # Each loss looks at the other player too; only its own player may be moved by it.
        both = (
            jax.nn.log_softmax(parts["one"])[batch.action["one"]]
            + jax.nn.log_softmax(parts["two"])[batch.action["two"]]
        )
        return -jnp.mean(sign * batch.reward * both), {}

    return Objective(loss, (name,), name=f"player {name}")


def test_two_players_learn_in_one_world_each_by_its_own_loss() -> None:
    fit = Fit((plays("one", 1.0), plays("two", -1.0)), Sweep("rollout", 1))
    algorithm = Algorithm.of(
        parts={"one": lambda key: jnp.array([0.5, 0.0]), "two": lambda key: jnp.array([0.5, 0.0])},
        cycle=(Collect("rollout", 4, lambda parts: Players(parts["one"], parts["two"])), fit),
        acts=lambda parts: Players(parts["one"], parts["two"]),
        optimizer=optax.sgd(0.1),
    )
    machine = Machine(lambda floats: algorithm, Lanes.of([0]), worlds={"world": Source(Matching(), 256)}, cycles=40)
    machine.advance(1)
    one, two = (np.asarray(machine.state.parts[name][0]) for name in ("one", "two"))
    assert one[0] > 0.5 > two[0]  # both prefer 0: the matcher goes there, the other away from it
    machine.advance(39)
    assert all(count == 1 for count in machine.traces.values())


DEPTH, NODES = 3, 15


def tree_value(tree: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """What a tree kept as arrays of fixed capacity says of one observation; leaves point at themselves."""
    node = jnp.zeros((), jnp.int32)
    for _ in range(DEPTH):
        left = x[tree["feature"][node]] <= tree["threshold"][node]
        node = jnp.where(left, tree["left"][node], tree["right"][node])
    return tree["value"][node]


def refit(parts: Any, batch: Any, aux: Any, key: Any) -> dict[str, Any]:
    """Fit scikit-learn's tree to the rollout, and return it as arrays."""
    x, y = (
        parts["rollout"].obs.reshape(-1, 4),
        parts["rollout"].reward.reshape(-1) * parts["rollout"].obs.reshape(-1, 4)[:, 0],
    )
    found = DecisionTreeRegressor(max_depth=DEPTH, random_state=0).fit(x, y).tree_
    count, here = found.node_count, np.arange(NODES)
    arrays = {
        "feature": found.feature,
        "threshold": found.threshold,
        "left": found.children_left,
        "right": found.children_right,
    }
    arrays["value"] = found.value[:, 0, 0]
    tree = {name: np.concatenate([a, np.zeros(NODES - count)]) for name, a in arrays.items()}
    leaf = np.append(found.children_left < 0, np.ones(NODES - count, bool))
    for side in ("left", "right"):
        tree[side] = np.where(leaf, here, tree[side])
    tree["feature"] = np.where(leaf, 0, tree["feature"])
    np.testing.assert_allclose(
        jax.vmap(
            lambda row: tree_value(
                {
                    k: jnp.asarray(v, jnp.int32 if k in ("feature", "left", "right") else jnp.float32)
                    for k, v in tree.items()
                },
                row,
            )
        )(jnp.asarray(x)),
        found.predict(x.astype(np.float32))[:, 0],
        atol=1e-5,
    )
    return {"tree": tree}


class ByTree(Memoryless):
    tree: Any

    def __call__(self, obs: Any, carry: Any, key: Any) -> Any:
        return (tree_value(self.tree, obs) > 0).astype(jnp.int32), carry, {}


def test_a_tree_is_refitted_on_the_host_and_acts_in_the_program() -> None:
    def empty(key: Any) -> dict[str, jax.Array]:
        whole = {name: jnp.zeros(NODES, jnp.int32) for name in ("feature", "left", "right")}
        return {**whole, "threshold": jnp.zeros(NODES), "value": jnp.zeros(NODES)}

    algorithm = Algorithm.of(
        parts={"tree": empty},
        cycle=(Collect("rollout", 16, lambda parts: ByTree(parts["tree"])), Rule(refit, ("tree",), host=True)),
        acts=lambda parts: ByTree(parts["tree"]),
        optimizer=optax.sgd(0.1),
    )
    machine = Machine(
        lambda floats: algorithm, Lanes.of([0, 1]), worlds={"world": Source(world("cartpole"), 4)}, cycles=4
    )
    machine.advance(4)
    assert not np.array_equal(machine.state.parts["tree"]["value"][0], np.zeros(NODES))
    assert not eqx.tree_equal(*(jax.tree.map(lambda x, i=i: x[i], machine.state.parts["tree"]) for i in (0, 1)))
    assert all(count == 1 for count in machine.traces.values())
