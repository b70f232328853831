"""FamO2O: what is done in a state is the member's whom the chooser names there; online the same parts go on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.policy import Mode, Sampled
from pilothouse.recipes.offline.famo2o import famo2o

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
KEY = jax.random.key(0)


def made(**settings: Any) -> tuple[Any, dict[str, Any]]:
    algorithm = famo2o(width=4, depth=1, batch=4, offline=3, updates=2, **settings).build(SPEC)
    names = ("family", "chooser", "log_alpha", "critic", "value")
    parts = {name: algorithm.parts[name](jax.random.fold_in(KEY, i)) for i, name in enumerate(names)}
    return algorithm, {**parts, "critic/slow": parts["critic"]}


def test_the_balance_differs_by_state_and_what_is_done_follows_it() -> None:
    # Fails with one balance for all states, as IQL has it: then the chooser would change nothing.
    algorithm, parts = made(low=0.0, high=3.0)
    policy = algorithm.acts(parts)
    one, other = jnp.array([3.0, -1.0]), jnp.array([-3.0, 1.0])
    balances = [float(policy.actor.balance(obs)) for obs in (one, other)]
    assert abs(balances[0] - balances[1]) > 0.05 and all(0 < balance < 3 for balance in balances)
    turned = {**parts, "chooser": jax.tree.map(lambda x: -x, parts["chooser"])}
    same, _ = made(low=1.5, high=1.5)
    for obs in (one, other):
        assert float(jnp.abs(policy(obs, (), KEY)[0] - algorithm.acts(turned)(obs, (), KEY)[0]).max()) > 1e-6
        np.testing.assert_array_equal(same.acts(parts)(obs, (), KEY)[0], same.acts(turned)(obs, (), KEY)[0])


def test_online_the_same_parts_go_on_at_the_balances_that_are_chosen() -> None:
    algorithm, parts = made(low=1.0, high=5.0)
    offline, online = algorithm.stages
    before, (collect, after) = offline.cycle[0], online.cycle
    assert offline.cycles == 3 and isinstance(before, Fit) and isinstance(after, Fit)
    assert before.trains == after.trains == ("value", "critic", "family", "chooser", "log_alpha")
    assert before.batches.reads == ("data",) and after.batches.reads == ("data", "replay") and after.times == 2
    rows = Batch(obs=jnp.ones((64, 2)), action=jnp.zeros((64, 1)), reward=jnp.zeros(64))
    seen = [
        float(
            next(o for o in fit.objectives if o.trains == ("family",)).loss(parts, rows, KEY)[1]["family/balance_mean"]
        )
        for fit in (before, after)
    ]
    named = [o.loss for o in after.objectives if o.trains == ("chooser",)][0](parts, rows, KEY)[1]  # noqa: RUF015
    np.testing.assert_allclose(seen[0], 3.0, atol=0.5)
    np.testing.assert_allclose(seen[1], named["chooser/balance_mean"], atol=0.8)
    assert isinstance(collect.policy(parts), Sampled) and isinstance(algorithm.acts(parts), Mode)
