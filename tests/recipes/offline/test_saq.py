"""SAQ: codes mean what is done in each state, so two of them are enough for two things to do anywhere."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.quantised import BestCode
from pilothouse.recipes.offline.saq import saq

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
ROWS = Batch(
    obs=jnp.array([[1.0], [1.0], [-1.0], [-1.0]]), action=jnp.array([[0.9], [-0.1], [0.1], [-0.9]])
)  # two things are done in each state, and they are other things in the other


def least_error(*, conditioned: bool) -> float:
    """The squared error that two codes leave, learned by the recipe's loss from the best of eight beginnings.

    Entries begin where two of the rows lie: of two far away from all, one is soon all that is used.
    """
    algorithm = saq(codes=2, embedding=2, width=8, depth=1, conditioned=conditioned).build(SPEC)
    first = algorithm.stages[0].cycle[0]
    assert isinstance(first, Fit)
    loss, optimizer, key = first.objectives[0].loss, optax.adam(3e-2), jax.random.key(0)

    def step(state, _):  # noqa: ANN001, ANN202
        network, moments = state
        slope = eqx.filter_grad(lambda net: loss({"quantiser": net}, ROWS, key)[0])(network)
        change, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(network, change), moments), None

    @jax.jit
    @jax.vmap
    def learned(beginning):  # noqa: ANN001, ANN202
        made = algorithm.parts["quantiser"](beginning)  # type: ignore
        made = eqx.tree_at(lambda net: net.codebook, made, jax.vmap(made.embed)(ROWS.obs, ROWS.action)[:2])
        (network, _), _ = jax.lax.scan(step, (made, optimizer.init(made)), None, length=300)
        return loss({"quantiser": network}, ROWS, key)[1]["quantiser/error"]

    return float(learned(jax.random.split(key, 8)).min())


def test_two_codes_that_know_the_state_say_what_two_that_do_not_cannot() -> None:
    # The best two values for 0.9, 0.1, -0.1 and -0.9 are 0.9 and -0.3: no quantiser blind to the state beats that.
    assert least_error(conditioned=True) < 0.01
    assert least_error(conditioned=False) >= (0.4**2 + 0.2**2 + 0.6**2) / 4 - 1e-6


def test_the_code_of_the_highest_value_is_done() -> None:
    algorithm = saq(codes=3, embedding=2, width=4, depth=1).build(SPEC)
    parts = {name: algorithm.parts[name](jax.random.key(3)) for name in ("quantiser", "critic")}  # type: ignore
    policy, obs = algorithm.acts(parts), jnp.array([0.4])
    assert isinstance(policy, BestCode)
    values = parts["critic"](obs)
    assert values.shape == (3,)
    action = policy(obs, (), jax.random.key(0))[0]
    np.testing.assert_array_equal(action, parts["quantiser"].decode(obs, jnp.argmax(values)))
    worst = BestCode(lambda obs: -values, parts["quantiser"])(obs, (), jax.random.key(0))[0]
    assert float(jnp.abs(action - worst).max()) > 0


def test_the_quantiser_is_learned_first_and_then_stays() -> None:
    first, then = saq(pretraining=7, batch=2).build(SPEC).stages
    assert [objective.trains for objective in first.cycle[0].objectives] == [("quantiser",)]  # type: ignore
    assert first.cycles == 7
    assert then.cycle[0].trains == ("critic",)  # type: ignore
