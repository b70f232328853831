"""JSRL: the guide begins the episodes that are learned from, and acts in the policy for as long as the curriculum says."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Collect
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.policies.policy import Mode, Sampled
from pilothouse.recipes.offline.jsrl import jsrl
from pilothouse.train.resolve import world_source
from pilothouse.train.session import open_session
from pilothouse.train.sources import ContinuedSource

SOURCE = ContinuedSource(mixed_pendulum(random=100, poor=0, good=0), world_source("pendulum", environments=1))
SMALL = {"width": 4, "depth": 1, "batch": 4, "length": 6, "capacity": 64, "offline": 5, "window": 1, "shorten": 2}


@pytest.mark.slow
def test_the_guide_begins_what_is_learned_from_and_gives_way() -> None:
    bound = jsrl(guided=4, tolerance=1e6, **SMALL)
    session = open_session(bound, SOURCE, seeds=[0], episodes=0)
    machine = session.machine
    machine.advance(5)
    guide = jax.tree.map(lambda x: np.array(x[0]), machine.state.parts["guide"])
    steps = []
    for number, guided in enumerate((4, 2, 0)):  # any return is within such a tolerance: two steps fewer a round
        steps.append(int(machine.state.parts["guide/steps"].steps[0]))
        machine.advance(1)
        rows = jax.tree.map(lambda x: np.asarray(x)[0], machine.state.parts["replay"].rows)
        mine = slice(6 * number, 6 * number + 6)
        by_guide = np.asarray(
            jax.vmap(lambda obs: Mode(guide)(obs, (), jax.random.key(0))[0])(jnp.asarray(rows.obs[mine]))
        )
        same = np.isclose(rows.action[mine], by_guide, atol=1e-5)[:, 0]
        np.testing.assert_array_equal(same, np.arange(6) < guided)  # a learner drawn from scratch never hits it
    assert steps == [4, 2, 0]
    after = jax.tree.map(lambda x: np.array(x[0]), machine.state.parts["guide"])
    jax.tree.map(np.testing.assert_array_equal, guide, after)  # the guide itself learns no more


def test_the_guide_begins_what_is_lived_and_the_policy_that_is_saved() -> None:
    algorithm = jsrl(guided=4, **SMALL).build(SOURCE.spec.unit())
    key = jax.random.key(1)
    parts: dict[str, Any] = {}
    for name in ("guide", "actor", "guide/steps"):
        parts[name] = algorithm.parts[name](key)  # type: ignore
    obs = jnp.array([0.3, -0.2, 0.1])
    lived = algorithm.stages[-1].cycle[0]
    assert isinstance(lived, Collect)
    first = Mode(parts["guide"])(obs, (), key)[0][0]
    for make, learner in ((lived.policy, Sampled), (algorithm.acts, Mode)):
        policy = make(parts)
        carry, acted = policy.reset(None, (), key), []
        for _ in range(6):
            action, carry, _ = policy(obs, carry, key)
            acted.append(float(action[0]))
        last = learner(parts["actor"])(obs, (), key)[0][0]
        np.testing.assert_allclose(acted, [first] * 4 + [last] * 2, rtol=1e-5)
