"""What every recipe gains from the engine: stacked observations, schedules, memory, standardised observations."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pilothouse
from pilothouse.algorithm.registry import load_recipe
from pilothouse.algorithm.rules import value_after_memory
from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.core.batch import Batch
from pilothouse.core.errors import SettingError, SpaceError, UnknownNameError
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.batches import Sweep, Whole
from pilothouse.networks.actors import actor_and_value
from pilothouse.networks.recurrent import recurrent_actor_and_value
from pilothouse.networks.standardise import Standardised, standardised
from pilothouse.objectives.terms import evaluate_segments
from pilothouse.policies.actor_critic import recurrent_sampled
from pilothouse.rollout.collect import begin, collect
from pilothouse.train.machine import Lanes, Machine
from pilothouse.train.resolve import resolve, world_source
from pilothouse.train.session import builder
from pilothouse.worlds.registry import world

SMALL = {"width": 8, "depth": 1, "length": 8, "epochs": 1, "minibatches": 1}


def falling(schedule: str) -> np.ndarray:
    """Where a parameter stands after each of four updates of size 1, times what the schedule says."""
    fit = Fit((Objective(lambda parts, batch, key: (-parts["x"], {}), ("x",)),), Whole("data"))
    plain = Algorithm.of(
        parts={"x": lambda key: jnp.zeros(())}, cycle=(fit,), acts=lambda parts: parts["x"], optimizer=optax.sgd(1.0)
    )
    build = builder(plain, world_source("cartpole"), schedule)
    data = {"data": Batch(obs=jnp.zeros((2, 1)))}
    machine = Machine(build, Lanes.of([0]), fixed=data, cycles=4)
    seen = []
    for _ in range(4):
        machine.advance(1)
        seen.append(float(machine.state.parts["x"][0]))
    return np.array(seen)


def test_schedules_by_hand() -> None:
    np.testing.assert_allclose(falling("constant"), [1, 2, 3, 4])
    np.testing.assert_allclose(falling("linear"), [1, 1.75, 2.25, 2.5])  # 1, 3/4, 2/4, 1/4
    half = np.sqrt(0.5)  # (1 + cos(pi p)) / 2 at p = 0, 1/4, 1/2, 3/4
    np.testing.assert_allclose(falling("cosine"), np.cumsum([1, (1 + half) / 2, 0.5, (1 - half) / 2]), rtol=1e-6)
    with pytest.raises(UnknownNameError, match="linear"):
        falling("linaer")


def test_moments_are_those_of_all_observations_and_get_no_gradient() -> None:
    draws = jnp.asarray(np.random.default_rng(0).normal(3.0, 2.0, (5, 4, 3)).astype(np.float32))
    module = Standardised(lambda obs: obs, 3)
    np.testing.assert_allclose(module(draws[0, 0]), jnp.clip(draws[0, 0], -10, 10), rtol=1e-6)  # nothing observed yet
    for rows in draws:
        module = module.observe(rows)
    flat = draws.reshape(-1, 3)
    np.testing.assert_allclose(module.mean, flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(module.variance, flat.var(0), rtol=1e-5)
    np.testing.assert_allclose(module(flat[0]), (flat[0] - flat.mean(0)) / flat.std(0), rtol=1e-4)

    def total(module: Any) -> Any:
        return module(flat[0]).sum()

    grads = eqx.filter_grad(total)(module)
    assert not np.any(grads.mean) and not np.any(grads.variance)
    with pytest.raises(SpaceError, match="flat Box"):
        standardised(Spec(Discrete(3), Discrete(2)), actor_and_value(Spec(Discrete(3), Discrete(2))))


def test_memory_is_replayed_as_it_was_acted() -> None:
    """Segments give back the log-probabilities and values of acting, over the ends of episodes too."""
    cartpole = world("cartpole")
    agent = recurrent_actor_and_value(cartpole.spec, 8, 6)(jax.random.key(0))
    agent = jax.tree.map(lambda x: x * 3.0, agent)  # far from uniform, so that a wrong memory shows
    parts = {"agent": agent}
    key = jax.random.key(1)
    acting = begin(cartpole, (), 3, key)
    _, rows, _ = jax.jit(lambda k: collect(recurrent_sampled("agent")(parts), cartpole, acting, "0", 60, None, k))(key)
    assert np.any(rows.terminated)
    parts["rollout"] = rows
    sweep = Sweep("rollout", 1, 1, whole=True)
    batch, _ = sweep.take(parts, sweep.plan(parts, key, 1)[0], key)
    found = evaluate_segments("agent")(parts, batch, key)
    np.testing.assert_allclose(found.log_prob, batch.log_prob, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(found.value, batch.value, rtol=2e-4, atol=2e-5)
    after = jax.vmap(jax.vmap(lambda row: value_after_memory()(parts, row)))(rows)
    goes_on = ~np.asarray(rows.terminated | rows.truncated)[:-1]
    np.testing.assert_allclose(after[:-1][goes_on], rows.value[1:][goes_on], rtol=2e-4, atol=2e-5)


def test_ppo_with_every_option_trains_saves_and_is_measured_alike(tmp_path: Path) -> None:
    bound = load_recipe("ppo")(**SMALL, memory=4, standardise=True)
    source = resolve(world="pendulum", environments=2, stack=3)
    assert source.spec.obs.shape == (9,)  # type: ignore
    run = pilothouse.train(
        bound, source, steps=32, out=tmp_path / "run", episodes=2, evaluations=2, schedule="linear", seeds=2
    )
    policy = run.policy(1)
    assert policy.stack == 3 and policy.spec.obs.shape == (9,)  # type: ignore
    assert float(policy.policy.policy.agent.count) == 32.0  # type: ignore
    action, carry = policy.act(np.zeros(9, np.float32))
    assert action.shape == (1,) and carry.shape == (4,)
    again = pilothouse.evaluate(str(tmp_path / "run"), "pendulum", episodes=2)
    assert np.isfinite(again.mean)
    with pytest.raises(SettingError, match="Resume with the same --steps"):
        pilothouse.train(
            bound,
            source,
            steps=64,
            out=tmp_path / "run",
            episodes=2,
            evaluations=2,
            schedule="linear",
            seeds=2,
            resume=True,
        )


def test_stacks_in_simulators_and_their_refusals(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    source = resolve(env="Pendulum-v1", stack=2)
    assert source.spec.obs.shape == (6,)  # type: ignore
    settings = {"width": 8, "depth": 1, "batch": 4, "warmup": 4, "capacity": 32}
    run = pilothouse.train(load_recipe("sac")(**settings), source, steps=6, out=tmp_path / "run", episodes=1)
    assert np.isfinite(pilothouse.evaluate(str(run.folder), "Pendulum-v1", episodes=1).mean)
    from pilothouse.evaluate.recording import record_policy

    with pytest.raises(SettingError, match="one by one"):
        record_policy(run.policy(), source, steps=2, seed=0, out=tmp_path / "recorded-v0")  # type: ignore
    with pytest.raises(SettingError, match="--stack 2"):
        resolve(data=tmp_path, stack=2)
    with pytest.raises(SettingError, match="stack of 0"):
        resolve(world="pendulum", stack=0)
