import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.networks.transformer import (
    LongerContext,
    Transformer,
    TransformerConfig,
    rms_norm,
    rotary_frequencies,
    rotate,
)

CONFIG = TransformerConfig(vocabulary=11, width=16, layers=2, heads=4, key_value_heads=2, feedforward=32)
MODEL = Transformer(CONFIG, key=jax.random.key(0))
MODEL = jax.tree.map(lambda x: x * (10.0 if x.ndim == 2 else 1.0), MODEL)  # away from the near-uniform start


@pytest.mark.parametrize("padding", [0, 3])
def test_decoding_from_the_cache_equals_one_full_pass(padding: int) -> None:
    tokens = jnp.concatenate([jnp.zeros(padding, jnp.int32), jax.random.randint(jax.random.key(1), (8,), 1, 11)])
    mask = jnp.arange(len(tokens)) >= padding
    whole = MODEL(tokens, mask)
    cache = MODEL.prefill(tokens[: padding + 4], mask[: padding + 4], len(tokens))
    for place in range(padding + 4, len(tokens)):
        logits, cache = MODEL.decode(tokens[place], jnp.asarray(place), cache)
        np.testing.assert_allclose(logits, whole[place], rtol=1e-4, atol=1e-5)


def test_left_padding_changes_nothing_behind_it() -> None:
    tokens = jax.random.randint(jax.random.key(2), (6,), 1, 11)
    padded = jnp.concatenate([jnp.zeros(5, jnp.int32), tokens])
    bare = MODEL(tokens, jnp.ones(6, bool))
    np.testing.assert_allclose(MODEL(padded, jnp.arange(11) >= 5)[5:], bare, rtol=1e-4, atol=1e-5)


def test_nothing_looks_ahead() -> None:
    tokens = jnp.array([1, 2, 3, 4, 5])
    other = tokens.at[3].set(9)
    mask = jnp.ones(5, bool)
    np.testing.assert_array_equal(MODEL(tokens, mask)[:3], MODEL(other, mask)[:3])
    assert not np.allclose(MODEL(tokens, mask)[3], MODEL(other, mask)[3])


def test_rms_norm_by_hand() -> None:
    # The mean square of (3, 4) is 12.5, its root 3.5355: (0.8485, 1.1314), times the scale (1, 2).
    np.testing.assert_allclose(rms_norm(jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0])), [0.8485, 2.2627], atol=1e-4)


def test_rotary_products_depend_on_the_distance_only() -> None:
    query, key = jax.random.normal(jax.random.key(3), (2, 1, 1, 8))
    frequencies = rotary_frequencies(TransformerConfig(vocabulary=1, width=8, heads=1, key_value_heads=1))

    def product(at: int, then: int) -> float:
        return float(jnp.sum(rotate(query, jnp.array([at]), frequencies) * rotate(key, jnp.array([then]), frequencies)))

    assert product(7, 4) == pytest.approx(product(12, 9), rel=1e-4)
    assert product(7, 4) != pytest.approx(product(7, 5), rel=1e-2)


def test_frequencies_for_longer_contexts_by_hand() -> None:
    # Of frequencies 1, 1/10, 1/100 and 1/1000, over 628 places: 100, 10, 1 and 0.1 turns. Between 1 and 19 turns the
    # division by 4 fades in: half at 10.
    sizes = {"width": 8, "heads": 1, "key_value_heads": 1, "rotary_base": 10_000.0}
    longer = LongerContext(factor=4.0, low=1.0, high=19.0, original=628)
    found = rotary_frequencies(TransformerConfig(vocabulary=1, **sizes, longer=longer))
    np.testing.assert_allclose(found, [1.0, 0.1 * (0.5 + 0.5 / 4), 0.01 / 4, 0.001 / 4], rtol=1e-3)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(SettingError, match="width=15"):
        TransformerConfig(vocabulary=5, width=15)
