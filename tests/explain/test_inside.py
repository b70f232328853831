"""Inside a policy: its last layer times what it reads is what it says; wrappers are looked through."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.explain.inside import hidden, told_at, with_told
from pilothouse.explain.watched import watch
from pilothouse.networks.actors import ActorAndValue
from pilothouse.networks.mlp import MLP
from pilothouse.policies.actor_critic import ModeOfAgent
from pilothouse.policies.policy import Memoryless
from pilothouse.policies.scaling import Scaled
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole

PLACE = WorldSource("cartpole", CartPole(horizon=10))


def test_the_last_layer_reads_what_is_hidden() -> None:
    network = MLP(3, 2, 5, 2, layer_norm=True, key=jax.random.key(0))
    x = jnp.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(network.layers[-1](hidden(network, x)), network(x), rtol=1e-5)


def test_an_agent_tells_all_three_through_its_wrapper() -> None:
    agent = ActorAndValue(PLACE.spec, 6, 2, key=jax.random.key(1))
    policy = Scaled(ModeOfAgent(agent), PLACE.spec, np.full(4, 0.5), np.full(4, 2.0))
    seen = with_told(watch(policy, PLACE, 2, seed=0), policy)
    assert {name: value.shape[1:] for name, value in seen.extras.items()} == {
        "latent": (6,),
        "value": (),
        "probabilities": (2,),
    }
    obs = jnp.asarray((seen.obs[3] - 0.5) / 2.0)
    distribution, value = agent(obs)
    np.testing.assert_allclose(seen.extras["value"][3], value, rtol=1e-5)
    np.testing.assert_allclose(seen.extras["probabilities"][3], distribution.probs, rtol=1e-5)
    np.testing.assert_array_equal(seen.extras["probabilities"].argmax(axis=1), seen.action)


class Shut(Memoryless):
    def __call__(self, obs, carry, key):
        return jnp.zeros((), jnp.int32), carry, {"value": obs[0]}


def test_of_others_only_what_they_told_is_known() -> None:
    assert told_at(Shut(), jnp.zeros(4)) == {}
    seen = watch(Shut(), PLACE, 1, seed=0)
    assert set(with_told(seen, Shut()).extras) == {"value"}
