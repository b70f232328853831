"""Small offline datasets that a claim makes for itself: hand-written behaviour in a JAX world, mixed as told."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from pilothouse.core.batch import Batch
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.policies.policy import Carry, Extra, Policy, Random
from pilothouse.rollout.collect import begin, collect
from pilothouse.worlds.registry import world
from pilothouse.worlds.world import World


class SwingUp(eqx.Module):
    """Swings the pendulum up by pumping energy and holds it there, more or less well.

    Torque `push * sign(rate)` while the energy is too low, a linear controller near the top. `push` in [0, 2] says how
    hard, so how fast; normal noise of deviation `noise` is added to every torque. At rest it begins to the
    left or to the right at random, anew each episode.
    """

    push: float = eqx.field(static=True, default=2.0)
    noise: float = eqx.field(static=True, default=0.3)

    def reset(self, carry: Carry | None, task: PyTree, key: PRNGKeyArray) -> Carry:
        del carry, task
        return jnp.where(jax.random.bernoulli(key), 1.0, -1.0)

    def __call__(
        self, obs: Float[Array, " 3"], carry: Carry, key: PRNGKeyArray
    ) -> tuple[Float[Array, " 1"], Carry, Extra]:
        cosine, sine, rate = obs
        angle = jnp.arctan2(sine, cosine)  # 0 is upright
        turning = jnp.where(jnp.abs(rate) < 0.5, carry, jnp.sign(rate))
        energy = 0.5 * rate**2 + 15.0 * cosine  # conserved without torque: the acceleration is 15 sin(angle)
        pumped = self.push * turning * jnp.sign(15.0 - energy)
        held = -(10.0 * angle + 2.0 * rate)
        torque = jnp.where(jnp.abs(angle) < 0.5, held, pumped) + self.noise * jax.random.normal(key)
        return jnp.clip(torque, -2.0, 2.0)[None], carry, {}


def mixture(name: str, behaviours: Sequence[tuple[Policy, int]], *, seed: int = 0, **options: Any) -> Dataset:
    """What these policies do in the JAX world `name`, each for so many steps, one after the other.

    `options` change the world's constants. An episode that is cut where one policy hands over to the next is truncated
    there.
    """
    place = world(name, **options)
    return dataset_from_transitions(lived(place, behaviours, seed=seed), place.spec, name=f"{name}-mixture-v0")


def lived(place: World, behaviours: Sequence[tuple[Policy, int]], *, seed: int = 0) -> Batch:
    """The rows of `mixture`, in any JAX world."""
    pieces = []
    for number, (policy, steps) in enumerate(behaviours):
        key = jax.random.fold_in(jax.random.key(seed), number)

        def run(policy: Policy, steps: int = steps, key: PRNGKeyArray = key) -> Any:
            return collect(policy, place, begin(place, (), 1, key), "mixture", steps, None, key)[1]

        rows = jax.tree.map(lambda x: np.asarray(x)[:, 0], jax.jit(run)(policy))
        cut = rows.truncated.copy()
        cut[-1] |= not rows.terminated[-1]
        ids = rows.episode_id - rows.episode_id.min() + 1_000_000 * number
        pieces.append(rows.replace(truncated=cut, episode_id=ids))
    return jax.tree.map(lambda *x: np.concatenate(x), *pieces)


def mixed_pendulum(*, random: int, poor: int, good: int, seed: int = 0) -> Dataset:
    """Steps on Pendulum: at random, by a controller that pushes weakly and noisily, and by one that does well."""
    spec = world("pendulum").spec
    parts = [(Random(spec.action), random), (SwingUp(0.8, 0.8), poor), (SwingUp(2.0, 0.2), good)]
    return mixture("pendulum", [(policy, steps) for policy, steps in parts if steps], seed=seed)
