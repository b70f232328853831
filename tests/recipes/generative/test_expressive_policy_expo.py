"""EXPO: the base imitates and nothing else, edits climb, and what acts looks ahead as it acts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.networks.edited import BestEdited
from pilothouse.recipes.generative.expressive_policy_expo import expo

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
SIZES = {"width": 4, "depth": 1, "batch": 6, "samples": 3, "steps": 2, "offline": 1, "updates": 2, "capacity": 8}


def objectives(algorithm: Algorithm) -> dict[str, Objective]:
    return {o.trains[0]: o for step in algorithm.stages[-1].cycle if isinstance(step, Fit) for o in step.objectives}


@pytest.mark.parametrize("edits", [True, False])
def test_what_acts_is_the_best_of_drawn_and_edited_and_the_critic_looks_ahead_with_it(edits: bool) -> None:
    algorithm = expo(**SIZES, edits=edits).build(SPEC)
    parts: dict[str, Any] = {name: algorithm.parts[name](jax.random.key(n)) for n, name in  # type: ignore
                             enumerate(("base", "edit", "critic", "log_alpha"))}  # fmt: skip
    collect = algorithm.stages[-1].cycle[0]
    assert isinstance(collect, Collect)
    policy: Any = collect.policy(parts)
    assert isinstance(policy.generator, BestEdited) and (policy.generator.edit is not None) == edits
    # Up is better, and an edit goes up as far as it reaches: by 0.3.
    up = {**parts, "critic": lambda obs, action: jnp.full(2, action[0])}
    up["edit"] = lambda obs, action: Deterministic(jnp.ones(1))
    obs, key = jnp.array([0.1, 0.2]), jax.random.key(9)
    acted = algorithm.acts(up)(obs, (), key)[0]
    base = policy.generator.base
    drawn = jnp.stack([base.sample(obs, own) for own in jax.random.split(key, 3)])
    wanted = min(float(drawn.max()) + (0.3 if edits else 0.0), 1.0)
    np.testing.assert_allclose(acted, [wanted], rtol=1e-5)
    assert set(objectives(algorithm)) == {"critic", "base"} | ({"edit", "log_alpha"} if edits else set())


def test_no_value_reaches_the_base() -> None:
    assert objectives(expo(**SIZES).build(SPEC))["base"].label == "flow_matching"
