"""GORL: the tether is firm on rows that do as the experts do, and slack on the others."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.steps import Fit, Repeat
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import Deterministic
from pilothouse.recipes.offline.gorl_351 import gorl_351

KEY = jax.random.key(0)
SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))


class Constant(eqx.Module):
    """Always the same action."""

    action: jax.Array

    def __call__(self, obs: Any) -> Deterministic:
        return Deterministic(self.action)


def critic(obs: Any, action: Any) -> Any:
    return jnp.stack([1.0 + 0.1 * action[0]] * 2)


def test_the_guide_holds_the_actor_where_the_data_are_as_the_experts() -> None:
    # The actor does 0. Some rows did 1, as the experts; the others did -0.3. Only a weight that differs by row, learned
    # through the actor's step, brings it nearer to the experts: with TD3+BC's own tether both weights would be 1.
    repeat = gorl_351(width=8, depth=1, batch=8, lr=0.1).build(SPEC).stages[-1].cycle[-1]
    assert isinstance(repeat, Repeat)
    fit = repeat.steps[-1]
    assert isinstance(fit, Fit)
    assert [objective.trains for objective in fit.objectives] == [("critic",), ("actor",), ("guide",)]
    obs = jnp.zeros((8, 1))
    good = jnp.arange(8) % 2 == 0
    batch = Batch(
        rows=Batch(obs=obs, action=jnp.where(good, 1.0, -0.3)[:, None]), expert=Batch(obs=obs, action=jnp.ones((8, 1)))
    )
    guide: Any = gorl_351(width=8, depth=1).build(SPEC).parts["guide"](KEY)  # type: ignore
    parts = {"actor": Constant(jnp.zeros(1)), "critic": critic}
    judged, optimizer = fit.objectives[2].loss, optax.adam(0.03)
    state = optimizer.init(eqx.filter(guide, eqx.is_inexact_array))

    @eqx.filter_jit
    def update(guide: Any, state: Any) -> tuple[Any, Any]:
        gradient = eqx.filter_grad(lambda guide: judged({**parts, "guide": guide}, batch, KEY)[0])(guide)
        change, state = optimizer.update(gradient, state)
        return eqx.apply_updates(guide, change), state

    for _ in range(150):
        guide, state = update(guide, state)
    improvement = -2.5 * jnp.ones(())
    firm, slack = (float(guide(improvement, jnp.asarray(tether))) for tether in (1.0, 0.09))
    assert firm > 1.5 and slack < 0.5
    # And the actor's own loss is the one with those weights.
    loss, _ = fit.objectives[1].loss({**parts, "guide": guide}, batch, KEY)
    np.testing.assert_allclose(loss, -2.5 + (firm * 1.0 + slack * 0.09) / 2, rtol=1e-4)
