"""Rules by which a classifier learns with its exemplars: which rows they are, how each is seen, what calibrates them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from pilothouse.algorithm.steps import Rule
from pilothouse.core.aliases import Aux, Initialise, Parts
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.stores import size_of
from pilothouse.networks.exemplars import (
    FAR,
    PLAIN,
    Calibration,
    Support,
    distances_by_label,
    reliable_region,
    rescaled_similarity,
    sdm,
)


def examples(spec: Spec, rows: int) -> Initialise:
    """Room for so many rows: observation, choice, whether it is a row of the data, and how it is seen."""

    def make(key: PRNGKeyArray) -> Batch:
        del key
        obs = jax.tree.map(lambda x: jnp.broadcast_to(x, (rows, *x.shape)), spec.obs.zeros())
        return Batch(
            obs=obs,
            action=jnp.zeros(rows, jnp.int32),
            real=jnp.zeros(rows, bool),
            similarity=jnp.full(rows, PLAIN, jnp.float32),
            distance=jnp.ones(rows, jnp.float32),
        )

    return make


def no_support(rows: int, vector: int) -> Initialise:
    return lambda key: Support(
        jnp.zeros((rows, vector)), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, bool)
    )


def no_calibration(spec: Spec, rows: int) -> Initialise:
    assert isinstance(spec.action, Discrete)
    choices = spec.action.n
    return lambda key: Calibration(
        jnp.full((choices, rows), FAR),
        jnp.zeros(choices, jnp.int32),
        jnp.array(FAR, jnp.float32),
        jnp.full(choices, FAR),
    )


def deal(data: str, learned: str, held: str, rows: int) -> Rule:
    """Fill `learned` and `held` in turn with `2 * rows` rows that lie evenly over the dataset, each of them once."""

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        size = int(size_of(parts[data]))
        # As whole numbers in Python: their product may be beyond int32.
        places = [number * size // (2 * rows) for number in range(2 * rows)]
        real = [number == 0 or places[number] != places[number - 1] for number in range(2 * rows)]

        def part(name: str, first: int) -> Batch:
            at, data_rows = jnp.array(places[first::2], jnp.int32), parts[data]
            obs, action = jax.tree.map(lambda x: x[at], data_rows.obs), data_rows.action[at].astype(jnp.int32)
            return parts[name].replace(obs=obs, action=action, real=jnp.array(real[first::2]))

        return {learned: part(learned, 0), held: part(held, 1)}

    return Rule(change, (learned, held), name="deal exemplars")


def look(classifier: str, learned: str, held: str, support: str, calibration: str, level: float | Array) -> Rule:
    """See every row anew: the exemplars among each other, and those held back by the exemplars, which calibrates.

    What is near is told, for the exemplars, by the distances among them, and for all others by those of the rows held
    back; in both by the rows that resemble any exemplar at all.
    """

    def change(parts: Parts, batch: Batch | None, aux: Aux, key: PRNGKeyArray) -> dict[str, PyTree]:
        del batch, aux, key
        rows, apart_from = parts[learned], parts[held]
        vectors, logits = jax.vmap(parts[classifier])(rows.obs)
        bank = Support(vectors, rows.action, _choice(logits), rows["real"])
        numbers = jnp.arange(len(rows["real"]))
        similarity, apart, _ = jax.vmap(bank.look)(vectors, bank.said, numbers)
        choices = logits.shape[1]
        known = parts[calibration]
        own = distances_by_label(apart, rows.action, rows["real"] & (similarity > 0), choices)
        among = Calibration(*own, known.least, known.thresholds)
        seen = rows.replace(similarity=similarity, distance=jax.vmap(among.distance)(apart))

        vectors, logits = jax.vmap(parts[classifier])(apart_from.obs)
        said = _choice(logits)
        similarity, apart, _ = jax.vmap(bank.look)(vectors, said)
        others = distances_by_label(apart, apart_from.action, apart_from["real"] & (similarity > 0), choices)
        distance = jax.vmap(Calibration(*others, known.least, known.thresholds).distance)(apart)
        probability = (2.0 + similarity[:, None]) ** sdm(logits, similarity, distance)
        rescaled = rescaled_similarity(similarity, jnp.take_along_axis(probability, said[:, None], axis=1)[:, 0])
        least, thresholds = reliable_region(probability, rescaled, apart_from.action, apart_from["real"], level)
        return {
            learned: seen,
            held: apart_from.replace(similarity=similarity, distance=distance),
            support: bank,
            calibration: Calibration(*others, least, thresholds),
        }

    return Rule(change, (learned, held, support, calibration), name="look at exemplars")


def _choice(logits: Float[Array, "rows choices"]) -> Int[Array, " rows"]:
    return jnp.argmax(logits, axis=1).astype(jnp.int32)
