"""RO2O goes online with the losses it had, and they see what lies between what was observed."""

import jax
import jax.numpy as jnp

from pilothouse.algorithm.steps import Fit
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.distributions import SquashedGaussian
from pilothouse.recipes.offline.ro2o import ro2o

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))


def test_online_it_goes_on_with_the_losses_it_had() -> None:
    offline, online = ro2o(offline=7, updates=2).build(SPEC).stages
    assert (offline.cycles, online.cycles) == (7, None)
    one, many = offline.cycle[0], online.cycle[1]
    assert one.objectives is many.objectives and many.times == 2  # type: ignore
    assert one.batches.reads == ("data",) and many.batches.reads == ("data", "replay")  # type: ignore
    alone = ro2o(keep=False).build(SPEC).stages[-1].cycle[1]
    assert alone.batches.reads == ("replay",)  # type: ignore


def test_online_a_policy_and_values_that_are_uneven_near_what_is_seen_cost() -> None:
    fit = ro2o(width=4, depth=1, members=2, samples=2).build(SPEC).stages[-1].cycle[1]
    assert isinstance(fit, Fit)
    rows = Batch(obs=jnp.zeros((4, 1)), action=jnp.zeros((4, 1)))
    losses = {objective.label: objective for objective in fit.objectives}

    def cost(name: str, slope: float) -> float:
        parts = {
            "actor": lambda obs: SquashedGaussian(slope * obs, jnp.zeros(1)),
            "critic": lambda obs, action: slope * obs[0] * jnp.array([1.0, -1.0]),
            "clock": {"updates": jnp.int32(0)},
        }
        return float(losses[name].weight * losses[name].loss(parts, rows, jax.random.key(0))[0])  # type: ignore

    for name in ("policy_smoothness", "value_smoothness", "doubt"):  # alike at what is seen, which is 0
        assert cost(name, 50.0) > 0.0 == cost(name, 0.0)
