"""A network whose every neuron was named and set by hand: the robot fish, and the part of it that judges itself.

Source: Tjoa and Guan, doi:10.1038/s41598-023-28804-9, and the authors' code, whose numbers these are.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pilothouse.networks.distributions import Categorical

SHARP = 1e-4
"""How near to 0 a detector's input must be for it to be half active, squared."""

CONCEPTS = ("food here", "food there", "full")
ACTIONS = ("eat", "move")
JUDGEMENTS = ("eats what is here, being hungry", "moves to what is there, being hungry", "explores, as nothing is near")
VERDICTS = ("right", "wrong")


def selective(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 at 0, a half at a distance of the root of `SHARP`, and soon nothing."""
    return SHARP / (SHARP + jnp.square(x))


def threshold(x: Float[Array, "*shape"], steepness: float = 5.0, leak: float = 0.01) -> Float[Array, "*shape"]:
    """Rises from 0 to 1 above 0, and hardly falls below it."""
    return jnp.tanh(jax.nn.leaky_relu(steepness * x, leak))


class RobotFish(eqx.Module):
    """From three tiles and the energy to eating or moving on; and to whether that was right, by its own lights.

    Two detectors see food, three concepts decide between two actions; three judgements weigh concepts and actions, and
    two verdicts the judgements: 39 numbers. The last column of four is what a neuron adds to its inputs.
    """

    detect: Float[Array, "2 4"]
    decide: Float[Array, "2 4"]
    judge: Float[Array, "3 5"]
    verdict: Float[Array, "2 4"]

    def concepts(self, obs: Float[Array, " 4"]) -> Float[Array, " 3"]:
        """How much each of `CONCEPTS` holds."""
        return jnp.append(selective(_affine(self.detect, obs[:3])), obs[3])

    def __call__(self, obs: Float[Array, " 4"]) -> Categorical:
        return Categorical(_affine(self.decide, self.concepts(obs)))

    def self_reward(self, obs: Float[Array, " 4"]) -> Float[Array, " 2"]:
        """How right, and how wrong, it finds what it is about to do: two shares."""
        concepts = self.concepts(obs)
        chosen = jax.nn.softmax(_affine(self.decide, concepts))
        judged = threshold(jax.nn.softmax(self.judge @ jnp.concatenate([concepts, chosen])) - 0.5)
        return jax.nn.softmax(_affine(self.verdict, judged))

    def in_words(self) -> tuple[str, ...]:
        """`eat = 1.00 food here - 1.00 full`, a line for each neuron."""
        tiles = ("tile here", "next tile", "tile after")
        layers = (
            (CONCEPTS[:2], self.detect, (*tiles, "")),
            (ACTIONS, self.decide, (*CONCEPTS, "")),
            (JUDGEMENTS, self.judge, (*CONCEPTS, *ACTIONS)),
            (VERDICTS, self.verdict, (*JUDGEMENTS, "")),
        )
        return tuple(
            f"{name}: {_sum(row, inputs)}"
            for names, weights, inputs in layers
            for name, row in zip(names, weights, strict=True)
        )


def _affine(weights: Float[Array, "outputs inputs_and_one"], x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
    return weights[:, :-1] @ x + weights[:, -1]


def _sum(row: Float[Array, " inputs"], inputs: tuple[str, ...]) -> str:
    said = [f"{float(x):+.2f} {name}".strip() for x, name in zip(row, inputs, strict=True) if abs(float(x)) >= 0.005]
    return " ".join(said) or "0"


def robot_fish(key: PRNGKeyArray) -> RobotFish:
    """The fish as it was designed; nothing is drawn."""
    del key
    little = 1e-3
    return RobotFish(
        detect=jnp.array([[1.0, 0, 0, -0.5], [0, 1, 1, -0.5]]),
        decide=jnp.array([[1, little, -1, 0], [little, 1, 1, 0]]),
        judge=jnp.array([[1.0, 0, -1, 1, 0], [0, 1, -1, 0, 1], [-1, -1, 0, 0, 1]]),
        verdict=jnp.array([[1.0, 1, 1, 0], [little, little, little, 0.4]]),
    )
