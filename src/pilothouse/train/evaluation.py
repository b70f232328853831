"""Measuring every lane's policy on held-out episodes, while learning and after."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec, Tokens
from pilothouse.data.stores import Ring
from pilothouse.policies.policy import Policy
from pilothouse.policies.scaling import Scaled
from pilothouse.rollout.collect import act, fresh_carries
from pilothouse.rollout.episodes import host_episodes, traced_episodes
from pilothouse.train.machine import Build
from pilothouse.train.sources import Scaling, SimulatorSource, WorldSource

HELD_OUT = 1_000_003
"""Seed of the held-out episodes: the same for every lane and method, and none that training ever resets with."""

Evaluate = Callable[[Mapping[str, PyTree], Mapping[str, Any]], np.ndarray]
"""`(parts with lanes, floats with lanes) -> returns (lanes, episodes)`."""


@runtime_checkable
class Evaluation(Protocol):
    def __call__(self, parts: Mapping[str, PyTree], floats: Mapping[str, Any]) -> np.ndarray: ...


def in_source_units(policy: Policy, spec: Spec, scaling: Scaling) -> Policy:
    """A policy that observes and acts in the source's own units, around one in units of the recipe's."""
    mean = None if scaling.mean is None else np.asarray(scaling.mean, np.float32)
    std = None if scaling.std is None else np.asarray(scaling.std, np.float32)
    return Scaled(policy, spec, mean, std)


def acting_parts(parts: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """The parts without stores and worlds, which no policy reads."""
    return {name: part for name, part in parts.items() if not isinstance(part, Ring) and name != "world"}


def evaluation(
    build: Build,
    source: WorldSource | SimulatorSource,
    scaling: Scaling,
    *,
    episodes: int,
    seed: int = HELD_OUT,
    discount: float = 1.0,
) -> Evaluation:
    """How to measure policies in this world or simulator: in returns, or in discounted ones."""
    if isinstance(source, WorldSource):
        return _traced(build, source, scaling, episodes=episodes, seed=seed, discount=discount)
    return _hosted(build, source, scaling, episodes=episodes, seed=seed, discount=discount)


def _traced(
    build: Build, source: WorldSource, scaling: Scaling, *, episodes: int, seed: int, discount: float
) -> Evaluation:
    world, spec = source.world, source.spec
    longest = spec.action.longest if isinstance(spec.action, Tokens) else int(getattr(world, "horizon", None) or 10_000)

    def one(parts: Any, floats: Any) -> Any:
        policy = in_source_units(build(floats).acts(parts), spec, scaling)
        key = jax.random.key(seed)
        return traced_episodes(policy, world, key, episodes=episodes, longest=longest, discount=discount).returns

    program = jax.jit(jax.vmap(one))

    def evaluate(parts: Mapping[str, PyTree], floats: Mapping[str, Any]) -> np.ndarray:
        return np.asarray(program(acting_parts(parts), dict(floats)))

    return evaluate


def _hosted(
    build: Build, source: SimulatorSource, scaling: Scaling, *, episodes: int, seed: int, discount: float
) -> Evaluation:
    spec = source.spec

    def policy_of(parts: Any, floats: Any) -> Policy:
        return in_source_units(build(floats).acts(parts), spec, scaling)

    def begin(parts: Any, floats: Any) -> Any:
        return fresh_carries(policy_of(parts, floats), (), episodes, jax.random.key(seed), each=False)

    def decide(parts: Any, floats: Any, obs: Any, carry: Any, step: Any) -> Any:
        key = jax.random.fold_in(named(jax.random.key(seed), "evaluate"), step)
        action, carry, _ = act(policy_of(parts, floats), obs, carry, key, each=False)
        return action, carry

    first = jax.jit(jax.vmap(begin))
    program = jax.jit(jax.vmap(decide, in_axes=(0, 0, 0, 0, None)))

    def evaluate(parts: Mapping[str, PyTree], floats: Mapping[str, Any]) -> np.ndarray:
        parts, floats = acting_parts(parts), dict(floats)
        lanes = jax.tree.leaves(parts)[0].shape[0]
        world = source.make(lanes * episodes)

        def actor(obs: Any, carry: Any, step: int) -> Any:
            wide = jax.tree.map(lambda x: x.reshape(lanes, episodes, *x.shape[1:]), obs)
            carry = first(parts, floats) if carry is None else carry
            action, carry = program(parts, floats, wide, carry, np.int32(step))
            return jax.tree.map(lambda x: np.asarray(x).reshape(lanes * episodes, *x.shape[2:]), action), carry

        try:
            seeds = [seed + episode for _ in range(lanes) for episode in range(episodes)]
            return np.asarray(host_episodes(actor, world, seeds, discount=discount).returns).reshape(lanes, episodes)
        finally:
            world.close()

    return evaluate


def random_returns(source: WorldSource | SimulatorSource, *, episodes: int, seed: int = HELD_OUT) -> np.ndarray:
    """Returns of acting uniformly at random, on the same held-out episodes."""
    from pilothouse.algorithm.steps import Algorithm
    from pilothouse.policies.policy import uniform_over

    acts = uniform_over(source.spec.unit().action)
    algorithm = Algorithm(parts={}, stages=(), acts=acts)
    run = evaluation(lambda floats: algorithm, source, Scaling(), episodes=episodes, seed=seed)
    return run({"nothing": np.zeros(1)}, {})[0]
