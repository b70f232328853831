"""What a completion rests on: exact for a model whose logits are known, and gone once the model is another."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.explain.fidelity import infidelity
from pilothouse.explain.text_attribution import Passage, attribute_texts, scorer, stand_ins
from pilothouse.networks.transformer import Transformer, TransformerConfig
from pilothouse.worlds.arithmetic import VOCABULARY

CONFIG = TransformerConfig(VOCABULARY, 16, 1, 2, 1, 16)
MODEL = jax.tree.map(lambda x: 8 * x if x.ndim == 2 else x, Transformer(CONFIG, key=jax.random.key(0)))
PASSAGES = [Passage((1, 4, 13, 5, 16), (6, 2)), Passage((1, 7, 4, 14, 4, 16), (7, 3, 2)), Passage((1, 9, 16), (3, 2))]


def test_the_response_is_the_log_probability_that_the_model_gives() -> None:
    for passage in PASSAGES:
        tokens = jnp.array([*passage.prompt, *passage.completion])
        logits = MODEL(tokens, jnp.ones(len(tokens), bool))
        known = np.asarray(jax.nn.log_softmax(logits, axis=-1))
        first = len(passage.prompt) - 1
        wanted = sum(known[first + i, token] for i, token in enumerate(passage.completion))
        found = scorer(MODEL, passage, (8, 5))(np.array([passage.prompt, passage.prompt]))
        np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-4)


def test_shapley_values_add_up_and_occlusion_is_the_difference() -> None:
    found = attribute_texts(MODEL, PASSAGES, orders=3, background=2, randomisations=1)
    by_name = {one.method: one.values for one in found.methods}
    for i, passage in enumerate(PASSAGES):
        score, others = scorer(MODEL, passage, (6, 3)), stand_ins(PASSAGES, i, 2, 0)
        whole = float(score(np.array([passage.prompt]))[0, 0])
        assert by_name["sampled Shapley values"][i].sum() == pytest.approx(whole - score(others).mean(), abs=1e-4)
        without = np.array([np.concatenate([row[:1], passage.prompt[1:]]) for row in others])
        assert by_name["occlusion"][i][0] == pytest.approx(whole - score(without).mean(), abs=1e-4)


def test_the_gradient_is_exact_where_the_model_is_linear_in_a_token() -> None:
    # Nothing is attended to and no layer computes: what follows depends on the last token alone, through its norm.
    still = eqx.tree_at(
        lambda m: [m.blocks[0].output, m.blocks[0].down], MODEL, [jnp.zeros((16, 16)), jnp.zeros((16, 16))]
    )
    found = attribute_texts(still, PASSAGES, orders=0, background=2, randomisations=1)
    for one in found.methods:
        for values in one.values:
            np.testing.assert_allclose(values[:-1], 0.0, atol=1e-5)
        assert all(abs(values[-1]) > 1e-3 for values in one.values)


def test_the_tokens_that_matter_are_found_and_a_redrawn_model_destroys_it() -> None:
    found = attribute_texts(MODEL, PASSAGES, orders=3, background=3)
    assert found.chosen.sanity.same > 0.5
    shapley = next(one for one in found.methods if "Shapley" in one.method)
    assert shapley.curves.gain > 0.0
    worst = infidelity(
        scorer(MODEL, PASSAGES[0], (6, 3)),
        np.array([PASSAGES[0].prompt], float),
        stand_ins(PASSAGES, 0, 3, 0),
        -shapley.values[0][None, None],
    )
    assert shapley.infidelity < worst
    assert set(found.chosen.as_json()) == {"method", "values", "fidelity", "sanity"}


def test_too_little_to_explain_is_refused() -> None:
    with pytest.raises(DataError, match="at least two prompts"):
        attribute_texts(MODEL, PASSAGES[:1])
    with pytest.raises(SettingError, match="background=0"):
        attribute_texts(MODEL, PASSAGES, background=0)
