"""Feed-forward actors with the weights of another library, as policies of ours: traceable, differentiable, exportable."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.policies.host import choices_in
from pilothouse.policies.policy import Carry, Extra, Memoryless

Acts = Literal["likeliest", "best", "clipped", "squashed"]
"""What the outputs of an actor are: logits, of which the likeliest is done; values of choices, of which the best is; an
action, clipped to its bounds; or one to be squashed by tanh and stretched from [-1, 1] to its bounds."""


class Layer(eqx.Module):
    """`weight @ x + bias`, as other libraries keep it: `weight` is (outputs, inputs)."""

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        return self.weight @ x + self.bias


class Trunk(eqx.Module):
    """Layers, each followed by the activation."""

    layers: tuple[Layer, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


class Network(eqx.Module):
    """A trunk and a last layer."""

    trunk: Trunk
    last: Layer

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        return self.last(self.trunk(x))


class PictureNet(eqx.Module):
    """Convolutions over one picture, each followed by ReLU, then a dense layer: pixels in 0..255 to a row of features.

    `kernels` are (outputs, inputs, height, width), without padding; `transposed` where observations are (height, width,
    channels) and the network took channels first; `scale` is what pixels are divided by.
    """

    kernels: tuple[Float[Array, "_ _ _ _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    dense: Layer
    strides: tuple[int, ...] = eqx.field(static=True)
    transposed: bool = eqx.field(static=True)
    scale: float = eqx.field(static=True, default=255.0)

    def __call__(self, picture: Array) -> Float[Array, " features"]:
        x = jnp.asarray(picture, jnp.float32) / self.scale
        x = (jnp.moveaxis(x, -1, 0) if self.transposed else x)[None]
        for kernel, bias, stride in zip(self.kernels, self.biases, self.strides, strict=True):
            x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), "VALID")
            x = jax.nn.relu(x + bias[:, None, None])
        return jax.nn.relu(self.dense(x.reshape(-1)))


class Feedforward(Memoryless):
    """Does what an actor of another library does when it does not draw.

    `pictures` are what the actor and the values see pictures through, if they do; both may be the same. `extra` holds `latent` (the trunk's output), `probabilities` where the outputs are logits, `q` where they are values
    of choices, and `value` where the file has one: of the state, or the lowest of the critics at the action taken.
    `mean_limit`, if given, bounds what is squashed.
    """

    actor: Network
    values: tuple[Network, ...]
    spec: Spec = eqx.field(static=True)
    name: str = eqx.field(static=True)
    acts: Acts = eqx.field(static=True)
    mean_limit: float | None = eqx.field(static=True, default=None)
    pictures: tuple[PictureNet, PictureNet] | None = None

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        x, seen = self._see(obs)
        latent = self.actor.trunk(x)
        outputs = self.actor.last(latent)
        extra: Extra = {"latent": latent}
        space = self.spec.action
        if not isinstance(space, Box):
            return self._choose(outputs, extra, seen), carry, extra
        low, high = space.bounds()
        if self.acts == "squashed":
            if self.mean_limit is not None:
                outputs = jnp.clip(outputs, -self.mean_limit, self.mean_limit)
            unit = jnp.tanh(outputs)
            # The form that rounds as the other library does: -1 is exactly the lower bound.
            action = low.ravel() + 0.5 * (unit + 1.0) * (high - low).ravel()
        else:
            unit = action = jnp.clip(outputs, low.ravel(), high.ravel())
        if self.values:
            seen = jnp.concatenate([seen, unit]) if self._of_actions(seen) else seen
            extra["value"] = jnp.stack([value(seen)[0] for value in self.values]).min()
        return action.reshape(space.shape).astype(space.dtype), carry, extra

    def _see(self, obs: PyTree) -> tuple[Array, Array]:
        """The features of the actor and those of the values."""
        if self.pictures is None:
            both = features(self.spec.obs, obs)
            return both, both
        actor, values = self.pictures
        first = actor(obs)
        return first, first if values is actor else values(obs)

    def _choose(self, outputs: Array, extra: Extra, x: Array) -> Array:
        space, choices = self.spec.action, choices_in(self.spec.action)
        edges = [sum(choices[: i + 1]) for i in range(len(choices) - 1)]
        parts = jnp.split(outputs, edges)
        action = jnp.stack([jnp.argmax(part) for part in parts]).astype(jnp.int32)
        if self.acts == "best":
            extra |= {"q": outputs, "value": outputs.max()}
        else:
            extra["probabilities"] = jnp.concatenate([jax.nn.softmax(part) for part in parts])
            if self.values:
                extra["value"] = self.values[0](x)[0]
        return action[0] if isinstance(space, Discrete) else action

    def _of_actions(self, x: Array) -> bool:
        """Whether the values are of actions too, by the width of what they take."""
        first = (*self.values[0].trunk.layers, self.values[0].last)[0]
        return first.weight.shape[1] > x.shape[0]


class Standardised(Memoryless):
    """Shows a memoryless policy `(obs - mean) / std`, clipped to ±`clip`, in place of flat observations."""

    policy: Memoryless
    mean: Float[Array, " obs"]
    std: Float[Array, " obs"]
    clip: float = eqx.field(static=True)
    spec: Spec = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        return self.policy(jnp.clip((obs - self.mean) / self.std, -self.clip, self.clip), carry, key)  # pyright: ignore


def features(space: Space, obs: PyTree) -> Float[Array, " features"]:
    """An observation as one row of numbers: boxes flat, choices as one-hots, the entries of a Dict by name."""
    match space:
        case Box():
            return jnp.asarray(obs, jnp.float32).reshape(space.size)
        case Discrete():
            return jax.nn.one_hot(obs, space.n)
        case MultiDiscrete():
            return jnp.concatenate([jax.nn.one_hot(obs[i], n) for i, n in enumerate(space.nvec)])
        case DictSpace():
            return jnp.concatenate([features(inner, obs[name]) for name, inner in space.items])
    raise TypeError(f"no features of {space}")
