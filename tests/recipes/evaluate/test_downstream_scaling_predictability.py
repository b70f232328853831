"""Where the likelihood follows scale and accuracy does not, it is the wrong choices that say so."""

import jax
import numpy as np
import pytest

from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.choice_scores import ChoiceQuestion
from pilothouse.networks.transformer import TransformerConfig, transformer
from pilothouse.policies.language_model import LanguageModel
from pilothouse.recipes.evaluate.downstream_scaling_predictability import downstream_scaling_predictability, scored_by
from pilothouse.worlds.arithmetic import EOS, SIGNS, VOCABULARY, ArithmeticWords

BENCHMARK = downstream_scaling_predictability(questions=12).build(TEXT)
ASKED = [ChoiceQuestion("q", ("right", "wrong"), 0)]


def test_a_wrong_choice_that_grows_faster_turns_the_score_round() -> None:
    right = {10.0**k: 0.1 + 0.05 * k for k in range(5)}
    # The likelihood of the right choice rises evenly; the wrong one's rises faster than it, or not at all.
    rival = {size: (lambda _, p=p: np.log([[p, p**2 * 2]])) for size, p in right.items()}
    fixed = {size: (lambda _, p=p: np.log([[p, 0.05]])) for size, p in right.items()}
    met, alone = (BENCHMARK(family, asked=ASKED) for family in (rival, fixed))
    assert met["correlation/log p vocab"] == alone["correlation/log p vocab"] == pytest.approx(1)
    # Fails where the share among the choices is left out, or made of the right choice alone.
    assert met["correlation/p choices"] == pytest.approx(-1) and alone["correlation/p choices"] == pytest.approx(1)
    assert alone["correlation/accuracy"] == 0 == alone["close/accuracy"] and alone["close/p vocab"] == 1


def test_a_family_that_never_learns_follows_nothing() -> None:
    said = BENCHMARK(BENCHMARK.baseline)
    assert all(value == 0 for name, value in said.items() if name.startswith("correlation/"))
    assert said["largest/p choices"] == pytest.approx(0.25)


def test_language_models_score_choices_of_all_their_tokens() -> None:
    config = TransformerConfig(VOCABULARY, width=8, layers=1, heads=1, key_value_heads=1, feedforward=16)
    model = LanguageModel(transformer(config)(jax.random.key(0)), ArithmeticWords(), (EOS,))
    signs = tuple(SIGNS)
    said = scored_by(model)([ChoiceQuestion("1+2=", signs, 3), ChoiceQuestion("7-", signs, 0)])
    assert said.shape == (2, len(SIGNS)) and (np.exp(said).sum(axis=1) < 1).all()  # the rest ends or fills the text
    longer = scored_by(model)([ChoiceQuestion("1+2=", tuple(f"3{sign}" for sign in SIGNS), 0)])
    # All that may follow `3` is less likely together than `3`.
    assert np.exp(longer).sum() < np.exp(said[0, signs.index("3")])
