"""Uni-O4 goes on from an improved policy only where the model says it is better, and online is plain PPO on the same parts."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.judged_policies import stack_of
from pilothouse.algorithm.steps import Collect, Fit, trained_parts
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.actors import gaussian_actor
from pilothouse.recipes.offline.uni_o4 import uni_o4

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
SMALL: dict[str, Any] = {"width": 4, "depth": 1, "members": 4, "models": 2, "elites": 1, "batch": 4, "length": 4}
SMALL |= {"pretraining": 3, "offline": 6, "every": 2, "rollouts": 4, "horizon": 3}


class Still(eqx.Module):
    """A model of a world where nothing moves: `(mean, log_std)` of two members."""

    def __call__(self, obs: Any, action: Any) -> Any:
        del obs, action
        return jnp.zeros((2, 3)), jnp.full((2, 3), -20.0)


def parts(seed: int) -> dict[str, Any]:
    """Four policies and their behaviours, in a still world where an action is worth itself."""
    make = stack_of(gaussian_actor(SPEC, 4, 1, deviation="observed"), 4)
    new, old = (jax.jit(make)(key) for key in jax.random.split(jax.random.key(seed)))
    rows = Batch(obs=jax.random.normal(jax.random.key(seed), (4, 2)))
    return {"policies": new, "behaviour": old, "model": Still(), "elites": jnp.zeros(1, jnp.int32), "data": rows} | {
        "ending": lambda obs, action: -jnp.ones(1),
        "critic": lambda obs, action: jnp.stack([action[0], action[0]]),
    }


def worth(policies: Any) -> Any:
    """What each policy's action is worth at an observation of zeros, where both kinds are compared."""
    return np.asarray(jax.vmap(lambda policy: policy(jnp.zeros(2)).mode()[0])(policies))


@pytest.mark.parametrize("seed", range(3))
def test_a_behaviour_policy_is_replaced_only_by_one_that_the_model_says_is_better(seed: int) -> None:
    given = parts(seed)
    given["data"] = Batch(obs=jnp.zeros((4, 2)))  # all episodes begin, and stay, where `worth` looks
    new, old = worth(given["policies"]), worth(given["behaviour"])
    # Biases begin at 0: give each policy an action of its own there.
    shift = jax.random.normal(jax.random.key(seed + 10), (2, 4))

    def shifted(policies: Any, by: Any) -> Any:
        last = policies.body.layers[-1].bias
        return eqx.tree_at(lambda p: p.body.layers[-1].bias, policies, last + by[:, None])

    given |= {"policies": shifted(given["policies"], shift[0]), "behaviour": shifted(given["behaviour"], shift[1])}
    new, old = worth(given["policies"]), worth(given["behaviour"])
    assert (new > old).any() and (new < old).any()  # some are better and some are worse

    def after(gate: Any) -> Any:
        rule: Any = uni_o4(**SMALL, gate=gate).build(SPEC).stages[2].cycle[-1]
        found = eqx.filter_jit(lambda p: rule.change({**given, **p}, None, {}, jax.random.key(seed)))(
            {"policies": given["policies"]}
        )
        return worth(found["behaviour"])

    np.testing.assert_allclose(after("judged"), np.maximum(new, old), rtol=1e-5)
    np.testing.assert_allclose(after("always"), new, rtol=1e-5)  # the baseline takes what is worse
    np.testing.assert_allclose(after("never"), old, rtol=1e-5)


def test_the_stages_and_what_they_train() -> None:
    first, clones, improved, chosen, online = uni_o4(**SMALL).build(SPEC).stages
    assert set(trained_parts(first)) == {"model", "ending", "value", "critic", "behaviour"}
    assert trained_parts(improved) == ("policies",) and set(trained_parts(online)) == {"actor", "value"}
    assert (first.cycles, clones.cycles, improved.cycles, chosen.cycles, online.cycles) == (3, 1, 3, 1, None)
    live, _, fit = online.cycle
    assert isinstance(live, Collect) and isinstance(fit, Fit) and fit.batches.reads == ("rollout",)  # no data, no hold


def test_the_clip_falls_to_nothing_over_the_improvement() -> None:
    improved: Any = uni_o4(**SMALL).build(SPEC).stages[2]
    loss = improved.cycle[0].objectives[0].loss
    given = parts(0)
    given |= {"value": lambda obs: jnp.zeros(())}

    @jax.jit
    def gained(updates: Any) -> Any:
        return loss({**given, "clock": {"updates": updates}}, given["data"], jax.random.key(0))[0]

    # Updates are counted from the run's beginning, three of them of pretraining. The narrower, the less is gained.
    early, late, ended = (float(gained(jnp.int32(count))) for count in (3, 7, 9))
    assert early <= late <= ended and early < ended
    assert ended >= -1e-5  # ratios within nothing of 1, or bad: advantages have mean 0
    assert float(gained(jnp.int32(100))) == ended
