"""Choices that say whether they are reliable, by the exemplars that they were learned from."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from pilothouse.core.aliases import Parts
from pilothouse.networks.exemplars import Calibration, ExemplarClassifier, Support, rescaled_similarity, sdm
from pilothouse.policies.policy import Carry, Extra, Memoryless


class Verified(Memoryless):
    """Takes the choice with the largest logit, and tells how far it is to be trusted.

    Remembers `reliable`; the `probability` of the choice under the similarity-distance-magnitude activation; `similarity`
    and `distance` (0 as far as can be, 1 near); and the number of the nearest `exemplar`.
    """

    classifier: ExemplarClassifier
    support: Support
    calibration: Calibration

    def __call__(self, obs: PyTree, carry: Carry, key: PRNGKeyArray) -> tuple[PyTree, Carry, Extra]:
        del key
        vector, logits = self.classifier(obs)
        choice = jnp.argmax(logits).astype(jnp.int32)
        similarity, apart, nearest = self.support.look(vector, choice)
        distance = self.calibration.distance(apart)
        probability = ((2.0 + similarity) ** sdm(logits, similarity, distance))[choice]
        rescaled = rescaled_similarity(similarity, probability)
        return (
            choice,
            carry,
            {
                "reliable": self.calibration.reliable(rescaled, probability, choice),
                "probability": probability,
                "similarity": similarity,
                "distance": distance,
                "exemplar": nearest,
            },
        )


def verified(classifier: str, support: str, calibration: str) -> Callable[[Parts], Verified]:
    """The policy made of these parts."""
    return lambda parts: Verified(parts[classifier], parts[support], parts[calibration])
