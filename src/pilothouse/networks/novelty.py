"""How new an observation and an action are: a network that learns to repeat a random one errs where it has learned little."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Scalar
from pilothouse.core.spaces import Spec
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.mlp import MLP


class PairFeatures(eqx.Module):
    """One observation and one action -> so many features."""

    encoder: Encoder
    action_encoder: Encoder
    body: MLP

    def __init__(self, spec: Spec, features: int, width: int, depth: int, *, key: PRNGKeyArray):
        encoder_key, action_key, body_key = jax.random.split(key, 3)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.action_encoder = Encoder(spec.action, key=action_key)
        self.body = MLP(self.encoder.size + self.action_encoder.size, features, width, depth, key=body_key)

    def __call__(self, obs: PyTree, action: PyTree) -> Float[Array, " features"]:
        return self.body(jnp.concatenate([self.encoder(obs), self.action_encoder(action)]))


class RandomDistillation(eqx.Module):
    """One observation and one action -> the mean squared gap between what is learned and what stays random.

    `fixed` receives no gradient: it is what `learned` is to repeat.

    **Source:** Burda, Edwards, Storkey and Klimov (RND), arXiv:1810.12894, section 2.2; of pairs and not of observations
    as in Li et al. (ExPLORe), arXiv:2311.05067.
    """

    learned: Callable[[PyTree, PyTree], Float[Array, " features"]]
    fixed: Callable[[PyTree, PyTree], Float[Array, " features"]]

    def __call__(self, obs: PyTree, action: PyTree) -> Scalar:
        wanted = jax.lax.stop_gradient(self.fixed(obs, action))
        return jnp.square(self.learned(obs, action) - wanted).mean()


def random_distillation(spec: Spec, width: int = 256, depth: int = 2) -> Initialise:
    """How new a pair is: `(obs, action) -> scalar`, by as many features as the layers are wide."""

    def make(key: PRNGKeyArray) -> RandomDistillation:
        learned, fixed = (PairFeatures(spec, width, width, depth, key=own) for own in jax.random.split(key))
        return RandomDistillation(learned, fixed)

    return make
