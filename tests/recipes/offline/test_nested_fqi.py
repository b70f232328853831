"""NFQI: the foreground begins from what the background taught, where it has no rows of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.recipes.offline.nested_fqi import nested_fqi

SPEC = Spec(Box((2,), -1.0, 1.0), Discrete(2))
KEY = jax.random.key(0)


def made(groups: str) -> tuple[Any, dict[str, Any]]:
    algorithm = nested_fqi(groups=groups, width=4, depth=1, batch=4, block=3, pretraining=6).build(SPEC)
    names = ("shared", "own") if groups != "pooled" else ("shared",)
    parts = {name: algorithm.parts[name](jax.random.fold_in(KEY, i)) for i, name in enumerate(names)}  # type: ignore
    return algorithm, {**parts, **{f"{name}/held": part for name, part in parts.items()}}


def test_what_the_background_taught_stands_in_the_foreground_until_its_own_says_otherwise() -> None:
    # With nothing of its own, a foreground that is nested values what the background does; one apart knows nothing.
    state = jnp.array([0.3])
    front = jnp.append(state, 1.0)
    for groups, wanted in (("nested", True), ("separate", False), ("pooled", True)):
        algorithm, parts = made(groups)
        if "own" in parts:
            parts["own"] = jax.tree.map(jnp.zeros_like, parts["own"])
        policy = algorithm.acts(parts)
        np.testing.assert_allclose(policy.values(front), parts["shared"](state) if wanted else jnp.zeros(2), rtol=1e-6)
        np.testing.assert_allclose(policy.values(jnp.append(state, 0.0)), parts["shared"](state), rtol=1e-6)


def test_each_network_is_fitted_to_its_own_group() -> None:
    algorithm, parts = made("nested")
    rows = Batch(obs=jnp.array([[0.1, 0.0], [0.2, 1.0], [0.3, 0.0], [0.4, 1.0]]), reward=jnp.zeros(4))
    first, then = (stage.cycle[0] for stage in algorithm.stages)
    assert isinstance(first, Fit) and isinstance(then, Fit)
    assert (first.trains, then.trains) == (("shared",), ("own",))
    for fit, wanted in ((first, [0, 2]), (then, [1, 3])):
        np.testing.assert_array_equal(np.unique(fit.batches.plan({"data": rows}, KEY, 20)), wanted)
    assert algorithm.stages[0].cycles == 2  # of three updates each
    # What follows is valued by the held copies of both: the live networks may differ.
    row = Batch(
        obs=jnp.array([[0.1, 1.0]]), next_obs=jnp.array([[0.5, 1.0]]), action=jnp.array([0]), reward=jnp.array([1.0]),
        discount=jnp.array([0.5]),
    )  # fmt: skip
    held = parts["shared/held"](jnp.array([0.5])) + parts["own/held"](jnp.array([0.5]))
    live = parts["shared"](jnp.array([0.1])) + 2 * parts["own"](jnp.array([0.1]))
    doubled = jax.tree.map(lambda x: x, parts["own"])
    doubled = jax.tree_util.tree_map_with_path(
        lambda path, x: 2 * x if "layers[1]" in jax.tree_util.keystr(path) else x, doubled
    )
    loss = then.objectives[0].loss({**parts, "own": doubled}, row, KEY)[0]
    np.testing.assert_allclose(loss, (live[0] - (1 + 0.5 * held.max())) ** 2, rtol=1e-4)


def test_pooled_is_one_network_for_all_rows() -> None:
    algorithm, parts = made("pooled")
    assert set(algorithm.parts) == {"shared", "shared/held"} and len(algorithm.stages) == 1
    fit = algorithm.stages[0].cycle[0]
    assert isinstance(fit, Fit) and fit.trains == ("shared",)
    rows = Batch(obs=jnp.zeros((4, 2)), reward=jnp.zeros(4))
    assert len(np.unique(fit.batches.plan({"data": rows}, KEY, 20))) == 4
