"""Actors: from an observation to a distribution over actions. The functions are initialisers `(key) -> module`.

Recipes see bounded Box actions rescaled to [-1, 1]; the edges convert.
"""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from pilothouse.core.aliases import Initialise, Scalar
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.networks.distributions import (
    Categorical,
    Deterministic,
    Distribution,
    Gaussian,
    Joint,
    MultiCategorical,
    SquashedGaussian,
)
from pilothouse.networks.encoders import Encoder, mask_in
from pilothouse.networks.mlp import MLP, Activation, Linear

Deviation = Literal["free", "observed"]
"""Where a Gaussian's standard deviation comes from: a parameter of its own, or the observation."""


class Actor(eqx.Module):
    """Observation -> distribution for Box, Discrete, MultiDiscrete or Dict actions, honouring an `action_mask`.

    Box actions are normal with mean tanh(output) where the space is bounded and `tanh_mean`; else the output itself.
    """

    encoder: Encoder
    body: MLP
    log_std: Float[Array, " box"] | None
    space: Space = eqx.field(static=True)
    tanh_mean: bool = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        width: int = 256,
        depth: int = 2,
        *,
        deviation: Deviation = "free",
        tanh_mean: bool = True,
        bounds: tuple[float, float] = (-5.0, 2.0),
        layer_norm: bool = False,
        key: PRNGKeyArray,
    ):
        encoder_key, body_key = jax.random.split(key)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        boxes = box_size(spec.action)
        outputs = spec.action.size + (boxes if deviation == "observed" else 0)
        self.body = MLP(self.encoder.size, outputs, width, depth, layer_norm=layer_norm, key=body_key)
        self.log_std = jnp.zeros(boxes, jnp.float32) if deviation == "free" and boxes else None
        self.space, self.tanh_mean, self.bounds = spec.action, tanh_mean, bounds

    def __call__(self, obs: PyTree) -> Distribution:
        outputs = self.body(self.encoder(obs))
        width = self.space.size
        log_std = outputs[width:] if self.log_std is None else self.log_std
        log_std = jnp.clip(log_std, *self.bounds)
        return distribution_over(self.space, outputs[:width], log_std, mask_in(obs), tanh_mean=self.tanh_mean)


class SquashedGaussianActor(eqx.Module):
    """Observation -> tanh of a normal whose mean and (clipped) log standard deviation both depend on it."""

    encoder: Encoder
    body: MLP
    shape: tuple[int, ...] = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        width: int = 256,
        depth: int = 2,
        *,
        bounds: tuple[float, float] = (-20.0, 2.0),
        layer_norm: bool = False,
        key: PRNGKeyArray,
    ):
        encoder_key, body_key = jax.random.split(key)
        space = _box_of(spec, "A squashed Gaussian actor", bounded=True)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.body = MLP(self.encoder.size, 2 * space.size, width, depth, layer_norm=layer_norm, key=body_key)
        self.shape, self.bounds = space.shape, bounds

    def __call__(self, obs: PyTree) -> SquashedGaussian:
        mean, log_std = jnp.split(self.body(self.encoder(obs)), 2)
        log_std = jnp.clip(log_std, *self.bounds)
        return SquashedGaussian(mean.reshape(self.shape), log_std.reshape(self.shape), len(self.shape))


class DeterministicActor(eqx.Module):
    """Observation -> one action: tanh of the output, in [-1, 1]."""

    encoder: Encoder
    body: MLP
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, spec: Spec, width: int = 256, depth: int = 2, *, layer_norm: bool = False, key: PRNGKeyArray):
        encoder_key, body_key = jax.random.split(key)
        space = _box_of(spec, "A deterministic actor", bounded=True)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        self.body = MLP(self.encoder.size, space.size, width, depth, layer_norm=layer_norm, key=body_key)
        self.shape = space.shape

    def action(self, obs: PyTree) -> Float[Array, "*action"]:
        """The action itself."""
        return jnp.tanh(self.body(self.encoder(obs))).reshape(self.shape)

    def __call__(self, obs: PyTree) -> Deterministic:
        return Deterministic(self.action(obs), len(self.shape))


class ActorAndValue(eqx.Module):
    """Observation -> (distribution over actions, value): separate tanh trunks of orthogonal weights.

    Only what reads pictures is shared. The policy's last layer starts at a hundredth, so that early actions are near
    uniform; the standard deviations of Box actions are parameters that start at 1.

    **Source:** the initialisation that Andrychowicz et al., arXiv:2006.05990, section 3.2, recommend.
    """

    encoder: Encoder
    policy: MLP
    critic: MLP
    log_std: Float[Array, " box"]
    space: Space = eqx.field(static=True)

    def __init__(
        self, spec: Spec, width: int = 64, depth: int = 2, activation: Activation = jnp.tanh, *, key: PRNGKeyArray
    ):
        encoder_key, policy_key, critic_key = jax.random.split(key, 3)
        self.encoder = Encoder(spec.obs, key=encoder_key)
        sizes, gain = (width, depth, activation), math.sqrt(2)
        self.policy = MLP(
            self.encoder.size, spec.action.size, *sizes, orthogonal=gain, final_scale=0.01, key=policy_key
        )
        self.critic = MLP(self.encoder.size, 1, *sizes, orthogonal=gain, final_scale=1.0, key=critic_key)
        self.log_std = jnp.zeros(box_size(spec.action), jnp.float32)
        self.space = spec.action

    def __call__(self, obs: PyTree) -> tuple[Distribution, Scalar]:
        features = self.encoder(obs)
        distribution = distribution_over(self.space, self.policy(features), self.log_std, mask_in(obs))
        return distribution, self.critic(features)[0]


class PolicyHead(eqx.Module):
    """Features -> distribution over any action space, by one linear layer. `mask` is flat, one entry a choice."""

    linear: Linear
    log_std: Float[Array, " box"]
    space: Space = eqx.field(static=True)

    def __init__(self, space: Space, inputs: int, scale: float = 0.01, *, key: PRNGKeyArray):
        self.linear = Linear(inputs, space.size, orthogonal=scale, key=key)
        self.log_std = jnp.zeros(box_size(space), jnp.float32)
        self.space = space

    def __call__(self, features: Float[Array, " inputs"], mask: Bool[Array, " choices"] | None = None) -> Distribution:
        return distribution_over(self.space, self.linear(features), self.log_std, mask)


def distribution_over(
    space: Space,
    outputs: Float[Array, " size"],
    log_std: Float[Array, " box"],
    mask: Array | None = None,
    *,
    tanh_mean: bool = False,
) -> Distribution:
    """The distribution over `space` that a network's `outputs` (one per entry or choice) stand for.

    Box: means, with `log_std` for all boxes joined by name; Discrete and MultiDiscrete: logits; Dict: each in turn.
    `mask` holds one entry per discrete choice, joined by name likewise.
    """
    match space:
        case Box():
            mean = outputs.reshape(space.shape)
            mean = jnp.tanh(mean) if tanh_mean and space.bounded else mean
            return Gaussian(mean, log_std.reshape(space.shape), len(space.shape))
        case Discrete():
            return Categorical(outputs, _flat_mask(mask))
        case MultiDiscrete():
            return MultiCategorical(outputs, space.nvec, _flat_mask(mask))
        case DictSpace():
            return _joint(space, outputs, log_std, mask, tanh_mean=tanh_mean)
    raise SpaceError(f"No distribution over {space.kind} actions; expected Box, Discrete, MultiDiscrete or Dict.")


def box_size(space: Space) -> int:
    """Number of real-valued entries in an action of `space`."""
    if isinstance(space, DictSpace):
        return sum(box_size(inner) for _, inner in space.items)
    return space.size if isinstance(space, Box) else 0


def actor(spec: Spec, width: int = 256, depth: int = 2) -> Initialise:
    """The stochastic actor that fits the action space: normal, categorical, several choices, or a Dict of these."""
    return lambda key: Actor(spec, width, depth, key=key)


def gaussian_actor(
    spec: Spec,
    width: int = 256,
    depth: int = 2,
    *,
    deviation: Deviation = "free",
    tanh_mean: bool = True,
    bounds: tuple[float, float] = (-5.0, 2.0),
    layer_norm: bool = False,
) -> Initialise:
    """A normal actor for Box actions; by default with a tanh mean and a standard deviation that ignores the state.

    `bounds` clip the log standard deviation.
    """
    _box_of(spec, "A Gaussian actor", bounded=False)
    options = {"deviation": deviation, "tanh_mean": tanh_mean, "bounds": bounds, "layer_norm": layer_norm}
    return lambda key: Actor(spec, width, depth, **options, key=key)  # pyright: ignore[reportArgumentType]


def squashed_gaussian(
    spec: Spec,
    width: int = 256,
    depth: int = 2,
    *,
    bounds: tuple[float, float] = (-20.0, 2.0),
    layer_norm: bool = False,
) -> Initialise:
    """A tanh-squashed normal actor for bounded Box actions, as SAC uses."""
    _box_of(spec, "A squashed Gaussian actor", bounded=True)
    return lambda key: SquashedGaussianActor(spec, width, depth, bounds=bounds, layer_norm=layer_norm, key=key)


def deterministic_actor(spec: Spec, width: int = 256, depth: int = 2, *, layer_norm: bool = False) -> Initialise:
    """A deterministic actor for bounded Box actions, as TD3 uses."""
    _box_of(spec, "A deterministic actor", bounded=True)
    return lambda key: DeterministicActor(spec, width, depth, layer_norm=layer_norm, key=key)


def categorical_actor(spec: Spec, width: int = 256, depth: int = 2, *, layer_norm: bool = False) -> Initialise:
    """A softmax actor for Discrete or MultiDiscrete actions, with masks."""
    if not isinstance(spec.action, Discrete | MultiDiscrete):
        raise SpaceError(f"A categorical actor takes Discrete or MultiDiscrete actions, not {spec.action}.")
    return lambda key: Actor(spec, width, depth, layer_norm=layer_norm, key=key)


def policy_head(space: Space, inputs: int, scale: float = 0.01) -> Initialise:
    """One linear layer from `inputs` features to a distribution over `space`."""
    return lambda key: PolicyHead(space, inputs, scale, key=key)


def actor_and_value(spec: Spec, width: int = 64, depth: int = 2, activation: Activation = jnp.tanh) -> Initialise:
    """A policy and a value with trunks of their own: `agent(obs) -> (distribution, value)`."""
    return lambda key: ActorAndValue(spec, width, depth, activation, key=key)


def _joint(space: DictSpace, outputs: Array, log_std: Array, mask: Array | None, *, tanh_mean: bool) -> Joint:
    members, at, at_box, at_choice = {}, 0, 0, 0
    flat = _flat_mask(mask)
    for name, inner in space.items:
        boxes, choices = box_size(inner), inner.size - box_size(inner)
        members[name] = distribution_over(
            inner,
            outputs[at : at + inner.size],
            log_std[at_box : at_box + boxes],
            None if flat is None or not choices else flat[at_choice : at_choice + choices],
            tanh_mean=tanh_mean,
        )
        at, at_box, at_choice = at + inner.size, at_box + boxes, at_choice + choices
    return Joint(members)


def _flat_mask(mask: Array | None) -> Array | None:
    return None if mask is None else mask.reshape(-1)


def _box_of(spec: Spec, who: str, *, bounded: bool) -> Box:
    space = spec.action
    if not isinstance(space, Box):
        raise SpaceError(f"{who} takes Box actions, and this source has {space.kind} ones. Choose an actor for those.")
    if bounded and not space.bounded:
        raise SpaceError(f"{who} takes Box actions with finite bounds, and these are {space}. Give the space bounds.")
    return space
