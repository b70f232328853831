r"""Adversaries that move one observation within a box around it so that the policy answers as differently as it can.

Three, by what they may know: nothing (a random corner of the box), the policy's answers (search), its gradient
(projected ascent). Each is a `Mover` (guard/sensing.py), to put any policy through; the box is $|m_i| \le r_i$. What
they want is the greatest change of the answer, squared and summed, each output in units of `weights`: actions in units
of their range, or the probabilities of choices.

Source: the aim is the maximal action difference of Zhang et al., "Robust Deep Reinforcement Learning against
Adversarial Perturbations on State Observations", arXiv:2003.08938, section 3.5, with a square in place of their
divergence; ascent: Madry et al., arXiv:1706.06083; search over corners: after Andriushchenko et al., "Square Attack",
arXiv:1912.00049, for vectors in place of pictures.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.core.aliases import Scalar
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.guard.sensing import Mover
from pilothouse.policies.distribution_at import probabilities_at
from pilothouse.policies.exploration import Greedy
from pilothouse.policies.policy import Policy
from pilothouse.policies.scaling import Scaled

Responses = Callable[[np.ndarray], np.ndarray]
"""A memoryless policy's answers to many flat observations: `(n, features) -> (n, outputs)`, NumPy in and out."""


def random_move(obs: np.ndarray, radius: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """To a random corner of the box."""
    return obs + radius * _signs(obs.shape, draws)


def searched_move(responses: Responses, weights: np.ndarray, *, tries: int = 20) -> Mover:
    """To the best corner that random search finds in so many calls of `responses`; it begins at the random one.

    Each try turns the signs of a random share of the entries, from half of them down to a single one, and is kept
    where it moves the answer further. So it never does worse than `random_move` with the same draws.
    """

    def move(obs: np.ndarray, radius: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        signs = _signs(obs.shape, draws)
        plain = responses(obs)
        best = _change(responses(obs + radius * signs), plain, weights)
        for count in range(tries):
            share = max(0.5 * (1 - count / tries), 1 / obs.shape[1])
            turned = draws.random(obs.shape) < share
            turned[np.arange(len(obs)), draws.integers(obs.shape[1], size=len(obs))] = True
            other = np.where(turned, -signs, signs)
            further = _change(responses(obs + radius * other), plain, weights)
            signs = np.where((further > best)[:, None], other, signs)
            best = np.maximum(further, best)
        return obs + radius * signs

    return move


def projected_ascent(
    aim: Callable[[Array], Scalar],
    obs: Float[Array, " entry"],
    radius: Float[Array, " entry"] | float,
    key: PRNGKeyArray,
    *,
    steps: int = 10,
    size: float = 0.25,
) -> Float[Array, " entry"]:
    """The observation moved to where `aim` is largest, of all that signed ascent from a random start in the box passes.

    Each step moves every entry by `size` of its radius; what leaves the box is put back onto its side.
    """
    first = radius * jax.random.uniform(key, obs.shape, obs.dtype, -1.0, 1.0)

    def one(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        move, best, most = state
        value, uphill = jax.value_and_grad(lambda m: aim(obs + m))(move)
        best, most = jnp.where(value > most, move, best), jnp.maximum(value, most)
        return (jnp.clip(move + size * radius * jnp.sign(uphill), -radius, radius), best, most), None

    (last, best, most), _ = jax.lax.scan(one, (first, first, jnp.asarray(-jnp.inf)), None, length=steps)
    return obs + jnp.where(aim(obs + last) > most, last, best)


def ascended_move(response: Callable[[Array], Array], weights: np.ndarray, *, steps: int = 10) -> Mover:
    """Projected ascent on the change of a traceable answer, `response(obs) -> (outputs,)`, all copies in one program."""

    def one(obs: Array, radius: Array, key: PRNGKeyArray) -> Array:
        plain = response(obs)
        return projected_ascent(
            lambda moved: jnp.sum(((response(moved) - plain) * weights) ** 2), obs, radius, key, steps=steps
        )

    program = jax.jit(jax.vmap(one, in_axes=(0, None, 0)))

    def move(obs: np.ndarray, radius: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        keys = jax.random.split(jax.random.key(int(draws.integers(2**31))), len(obs))
        moved = np.asarray(program(obs, radius, keys))
        return np.clip(moved, obs - radius, obs + radius)  # the sum may round to just outside

    return move


def weights_of(spec: Spec) -> np.ndarray:
    """One for each output of an answer: actions count in units of their range, probabilities as they are."""
    if isinstance(spec.action, Box) and spec.action.bounded:
        low, high = spec.action.bounds()
        return 1.0 / np.maximum(high - low, 1e-12).reshape(-1)
    return np.ones(spec.action.size)


def differentiable_response(policy: Policy, spec: Spec) -> Callable[[Array], Array] | None:
    """The answer of one of our memoryless policies as a function with a gradient; None where it has none.

    Boxes answer with the action, choices with the probabilities of the actor (or, of values, their softmax).
    """
    if not isinstance(spec.obs, Box) or jax.tree.leaves(policy.reset(None, (), jax.random.key(0))):
        return None
    shape = spec.obs.shape
    if isinstance(spec.action, Box):
        key = jax.random.key(0)
        return lambda flat: jnp.ravel(policy(flat.reshape(shape), (), key)[0])
    if not isinstance(spec.action, Discrete):
        return None
    return _probabilities(policy, shape)


def _probabilities(policy: Any, shape: tuple[int, ...]) -> Callable[[Array], Array] | None:
    def answer(flat: Array) -> Array | None:
        obs = flat.reshape(shape)
        known = probabilities_at(policy, obs)
        return known if known is not None else _softmax_of_values(policy, obs)

    made = jax.eval_shape(answer, jax.ShapeDtypeStruct((math.prod(shape),), jnp.float32))
    return None if made is None else answer  # pyright: ignore[reportReturnType]


def _softmax_of_values(policy: Any, obs: Array) -> Array | None:
    match policy:
        case Scaled():
            seen = obs if policy.mean is None or policy.std is None else (obs - policy.mean) / policy.std
            return _softmax_of_values(policy.policy, seen)
        case Greedy():
            return jax.nn.softmax(policy.values(obs))
    return None


def _signs(shape: tuple[int, ...], draws: np.random.Generator) -> np.ndarray:
    return np.where(draws.random(shape) < 0.5, -1, 1).astype(np.float32)


def _change(answers: np.ndarray, plain: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (((np.asarray(answers, np.float64) - plain) * weights) ** 2).sum(axis=-1)
