"""Consistency policies: from any amount of noise to the action in one evaluation, and again from less noise if asked."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise
from pilothouse.core.keys import named
from pilothouse.core.spaces import Spec
from pilothouse.networks.activations import mish
from pilothouse.networks.encoders import Encoder
from pilothouse.networks.generative import bounded_box
from pilothouse.networks.mlp import MLP

LEAST, MOST = 0.002, 80.0
"""Deviations of the noise: at the first an action counts as clean, at the second as nothing but noise."""
LAST = 2.0
"""The deviation from which an action of several evaluations is made clean the last time."""
SPREAD = 0.5
"""The deviation that the data's actions are taken to have."""


class ConsistencyActor(eqx.Module):
    r"""Where the probability-flow equation leads a noisy action, learned as one function of it and of its noise.

    $f(x, \tau) = c_{skip} x + c_{out} F(c_{in} x, \tau)$ with $c_{skip} = s^2 / ((\tau - \epsilon)^2 + s^2)$ and
    $c_{out} = s (\tau - \epsilon) / \sqrt{s^2 + \tau^2}$, so that $f(x, \epsilon) = x$ whatever the network is.

    **Source:** Song, Dhariwal, Chen and Sutskever, arXiv:2303.01469, section 3 and appendix C; as a policy Ding and Jin,
    arXiv:2309.16984.
    """

    encoder: Encoder
    net: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    evaluations: int = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 256, depth: int = 3, evaluations: int = 2, *, key: PRNGKeyArray):
        encoder_key, net_key = jax.random.split(key)
        space = bounded_box(spec, "A consistency actor")
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.net = MLP(self.encoder.size + space.size + 1, space.size, width, depth, mish, key=net_key)
        self.shape, self.evaluations = space.shape, evaluations

    def clean(self, obs: PyTree, noisy: Float[Array, "*action"], level: Float[Array, ""]) -> Float[Array, "*action"]:
        """The action behind a noisy one, whose noise has the deviation `level` in [`LEAST`, `MOST`]. Not clipped."""
        both = jnp.sqrt(SPREAD**2 + level**2)
        kept = SPREAD**2 / ((level - LEAST) ** 2 + SPREAD**2)
        made = SPREAD * (level - LEAST) / both
        inputs = (self.encoder(obs), noisy.reshape(-1) / both, jnp.log(level)[None] / 4)
        return kept * noisy + made * self.net(jnp.concatenate(inputs)).reshape(self.shape)

    def sample(self, obs: PyTree, key: PRNGKeyArray) -> Float[Array, "*action"]:
        """One action in [-1, 1]: made clean from noise alone, then `evaluations` - 1 times from less and less noise."""
        noise = jax.random.normal(named(key, "noise"), (self.evaluations, *self.shape))
        action = self.clean(obs, MOST * noise[0], jnp.float32(MOST))
        for level, fresh in zip(np.linspace(MOST, LAST, self.evaluations)[1:], noise[1:], strict=True):
            action = self.clean(obs, action + np.sqrt(level**2 - LEAST**2) * fresh, jnp.float32(level))
        return jnp.clip(action, -1.0, 1.0)


def consistency_actor(spec: Spec, width: int = 256, depth: int = 3, evaluations: int = 2) -> Initialise:
    """A consistency policy for bounded Box actions, with so many evaluations for each action drawn."""
    bounded_box(spec, "A consistency actor")
    return lambda key: ConsistencyActor(spec, width, depth, evaluations, key=key)
