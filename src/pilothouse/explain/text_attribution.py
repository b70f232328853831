"""Which tokens of a prompt a completion rests on, by several methods, each measured on the model itself.

The response that is explained is the log-probability of the completion that the model wrote, of all its tokens, in nats.
A token is taken away by setting tokens of other prompts in its place, several in turn: no token is neutral in every
vocabulary, and a prompt with a hole is none that the model has seen.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pilothouse.core.errors import DataError, SettingError
from pilothouse.explain.coalitions import Coalitions, attributed
from pilothouse.explain.fidelity import Curves, Sanity, curves, infidelity, random_curves, sanity
from pilothouse.explain.randomised import weights_redrawn
from pilothouse.explain.shapley import occlusion_coalitions, sampled_coalitions
from pilothouse.networks.transformer import Transformer
from pilothouse.policies.language_model import STEP, padded

ROWS = 64
"""Sequences that are scored at once."""


class Passage(NamedTuple):
    """A prompt and what the model wrote behind it, as tokens."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]


class MethodOfTexts(NamedTuple):
    """What a method says of every prompt, and how far it is to be trusted; means over the prompts.

    `values[i][t]`: the contribution of token t of prompt i to the log-probability of its completion, in nats.
    """

    method: str
    values: list[Float[np.ndarray, " tokens"]]
    curves: Curves
    infidelity: float
    sanity: Sanity

    def as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "values": [each.tolist() for each in self.values],
            "fidelity": {**self.curves.as_json(), "infidelity": self.infidelity},
            "sanity": self.sanity.as_json(),
        }


class TextAttribution(NamedTuple):
    """All methods, the best first: those that pass their sanity check, by how much their order beats random orders."""

    passages: list[Passage]
    methods: list[MethodOfTexts]

    @property
    def chosen(self) -> MethodOfTexts:
        return self.methods[0]


def attribute_texts(
    model: Transformer,
    passages: Sequence[Passage],
    *,
    orders: int = 4,
    background: int = 4,
    randomisations: int = 2,
    seed: int = 0,
) -> TextAttribution:
    """Explain completions by the tokens of their prompts.

    `orders` drawn orders and their reverses make the Shapley values (0 leaves them out: they cost `2 · orders · tokens`
    sets of `background` prompts each, where occlusion costs one set a token, and the gradient nothing). Raises
    `DataError` for fewer than two passages or empty ones, `SettingError` for counts out of range.
    """
    if len(passages) < 2 or not all(each.prompt and each.completion for each in passages):
        raise DataError(
            "Explaining texts takes at least two prompts, each with a completion; others stand in for a token."
        )
    if orders < 0 or background < 1 or randomisations < 1:
        raise SettingError(f"orders={orders}, background={background}, randomisations={randomisations}; too few.")
    passages = [Passage(tuple(each.prompt), tuple(each.completion)) for each in passages]
    room = rooms(passages)
    others = [stand_ins(passages, i, background, seed) for i in range(len(passages))]
    methods: dict[str, _Explain] = {"occlusion": _by(occlusion_coalitions), "gradient × input": _by_gradient}
    if orders:
        methods["sampled Shapley values"] = _by(lambda tokens, draw=0: sampled_coalitions(tokens, orders, draw))
    key = jax.random.key(seed)
    shuffled = [weights_redrawn(model, jax.random.fold_in(key, i)) for i in range(randomisations)]
    scores = [scorer(model, each, room) for each in passages]
    at_random = [
        random_curves(score, _row(each), rows, orders=4, seed=seed)
        for score, each, rows in zip(scores, passages, others, strict=True)
    ]
    found = []
    for name, explain in methods.items():
        values = [explain(model, each, rows, room, seed) for each, rows in zip(passages, others, strict=True)]
        again = [
            explain(model, each, stand_ins(passages, i, background, seed + 1), room, seed + 1)
            for i, each in enumerate(passages)
        ]
        destroyed = [
            [explain(other, each, rows, room, seed) for each, rows in zip(passages, others, strict=True)]
            for other in shuffled
        ]
        drawn = [
            curves(score, _row(each), rows, np.abs(own)[None], at_random=random)
            for score, each, rows, own, random in zip(scores, passages, others, values, at_random, strict=True)
        ]
        wrong = [
            infidelity(score, _row(each), rows, own[None, None], sets=16, seed=seed)
            for score, each, rows, own in zip(scores, passages, others, values, strict=True)
        ]
        sane = sanity(_joined(values), _joined(again), [_joined(each) for each in destroyed])
        found.append(MethodOfTexts(name, values, _mean_curves(drawn), float(np.nanmean(wrong)), sane))
    found.sort(key=lambda one: (not one.sanity.passed, -one.curves.gain))
    return TextAttribution(passages, found)


def rooms(passages: Sequence[Passage]) -> tuple[int, int]:
    """Places for the longest prompt and the longest completion, in steps: fewer programs."""
    prompt, completion = (max(len(each[i]) for each in passages) for i in (0, 1))
    return prompt + -prompt % STEP, completion + -completion % STEP


def stand_ins(passages: Sequence[Passage], own: int, count: int, seed: int) -> Float[np.ndarray, "rows tokens"]:
    """Tokens of the other prompts, drawn anew for every place of prompt `own`: what a token is taken away for."""
    pool = np.array([token for i, each in enumerate(passages) if i != own for token in each.prompt], np.float64)
    generator = np.random.default_rng([seed, own])
    return generator.choice(pool, (count, len(passages[own].prompt)))


def log_probabilities(
    model: Transformer, passages: Sequence[Passage], room: tuple[int, int] | None = None
) -> Float[np.ndarray, " passages"]:
    """Of each passage's completion behind its prompt, in nats; `room` as `rooms` gives it, for programs to be shared."""
    prompts, completions = room or rooms(passages)
    found = []
    for start in range(0, len(passages), ROWS):
        part = list(passages[start : start + ROWS])
        whole = [*part, *[part[-1]] * (ROWS - len(part))]
        tokens, mask = padded([each.prompt for each in whole], prompts)
        behind, counted = (np.flip(x, 1) for x in padded([each.completion[::-1] for each in whole], completions))
        found.append(np.asarray(_scores(model, tokens, mask, behind, counted), np.float64)[: len(part)])
    return np.concatenate(found)


def scorer(
    model: Transformer, passage: Passage, room: tuple[int, int]
) -> Callable[[np.ndarray], Float[np.ndarray, "rows 1"]]:
    """The log-probability of the passage's completion behind any prompts of as many tokens `(rows, tokens)`."""

    def score(prompts: np.ndarray) -> np.ndarray:
        rows = np.asarray(prompts).round().astype(np.int32).tolist()
        return log_probabilities(model, [Passage(tuple(row), passage.completion) for row in rows], room)[:, None]

    return score


@eqx.filter_jit
def _scores(model: Transformer, tokens: Any, mask: Any, completion: Any, counted: Any) -> Any:
    def one(prompt: Any, *rest: Any) -> Any:
        return _log_probability(model, model.embedding[prompt], *rest)

    return jax.vmap(one)(tokens, mask, completion, counted)


def _log_probability(model: Transformer, prompt: Any, real: Any, completion: Any, counted: Any) -> Any:
    """Of a completion behind an embedded prompt, padded on the left; the completion is padded on the right."""
    x = jnp.concatenate([prompt, model.embedding[completion]])
    seen = jnp.concatenate([real, counted])
    logits = model.from_embedded(x, seen)[len(prompt) - 1 : -1].astype(jnp.float32)
    known = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(completion)[:, None], axis=-1)[:, 0]
    return jnp.sum(jnp.where(counted, known, 0.0))


_Explain = Callable[[Transformer, Passage, np.ndarray, tuple[int, int], int], np.ndarray]


def _by(coalitions: Callable[..., Coalitions]) -> _Explain:
    def explain(
        model: Transformer, passage: Passage, others: np.ndarray, room: tuple[int, int], seed: int
    ) -> np.ndarray:
        drawn = coalitions is not occlusion_coalitions
        sets = coalitions(len(passage.prompt), seed) if drawn else coalitions(len(passage.prompt))
        return attributed(scorer(model, passage, room), _row(passage), others, sets)[0, 0]

    return explain


def _by_gradient(
    model: Transformer, passage: Passage, others: np.ndarray, room: tuple[int, int], seed: int
) -> Float[np.ndarray, " tokens"]:
    """The gradient by each token's embedding, times how far that is from the mean embedding of what stands in for it."""
    del seed
    tokens, mask = padded([passage.prompt], room[0])
    completion = np.zeros(room[1], np.int32)
    completion[: len(passage.completion)] = passage.completion
    counted = np.arange(room[1]) < len(passage.completion)
    gradient = np.asarray(_gradients(model, tokens[0], mask[0], completion, counted), np.float64)[mask[0]]
    embedding = np.asarray(model.embedding, np.float64)
    away = embedding[list(passage.prompt)] - embedding[np.asarray(others, np.int64)].mean(axis=0)
    return (gradient * away).sum(axis=1)


@eqx.filter_jit
def _gradients(model: Transformer, tokens: Int[Any, " time"], mask: Any, completion: Any, counted: Any) -> Any:
    return jax.grad(lambda x: _log_probability(model, x, mask, completion, counted))(model.embedding[tokens])


def _row(passage: Passage) -> Float[np.ndarray, "1 tokens"]:
    return np.array([passage.prompt], np.float64)


def _joined(values: Sequence[np.ndarray]) -> Float[np.ndarray, "1 1 tokens"]:
    """Contributions of all prompts side by side, each prompt's as shares, so that none outweighs the others."""
    shares = [own / max(float(np.abs(own).sum()), 1e-12) for own in values]
    return np.concatenate(shares)[None, None]


def _mean_curves(drawn: Sequence[Curves]) -> Curves:
    """Over prompts of different lengths: each curve read at as many even steps."""
    axis = np.linspace(0, 1, 11)

    def mean(name: str) -> np.ndarray:
        rows = [getattr(each, name) for each in drawn]
        return np.mean([np.interp(axis, np.linspace(0, 1, len(row)), row) for row in rows], axis=0)

    return Curves(*(mean(name) for name in Curves._fields))
