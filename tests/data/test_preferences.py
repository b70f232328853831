import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.data import preference_pairs, read_preferences

TOKENS = st.lists(st.integers(0, 9), max_size=5)
PAIRS = st.lists(st.tuples(TOKENS, TOKENS.filter(len), TOKENS.filter(len)), min_size=1, max_size=5)


def encode(text):
    """One token a letter: a is 1."""
    return [ord(letter) - 96 for letter in text]


def written(tmp_path, *lines):
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return file


def test_by_hand(tmp_path):
    file = written(
        tmp_path,
        {"prompt": "ab", "chosen": "c", "rejected": "ddd"},
        "",
        {"prompt": "", "chosen": "ba", "rejected": "ba", "note": 1},
    )
    pairs = read_preferences(file, encode, pad=9)
    np.testing.assert_array_equal(pairs.prompt, [[1, 2], [9, 9]])
    np.testing.assert_array_equal(pairs.chosen, [[3, 9, 9], [2, 1, 9]])
    np.testing.assert_array_equal(pairs.rejected, [[4, 4, 4], [2, 1, 9]])
    rows = pairs.rows()
    np.testing.assert_array_equal(rows.prompt_length, [2, 0])
    np.testing.assert_array_equal(rows.chosen_length, [1, 2])
    np.testing.assert_array_equal(rows.rejected_length, [3, 2])
    assert all(array.dtype == np.int32 for array in rows.values()) and pairs.name == "pairs"
    assert pairs.summary() == {
        "pairs": 2, "prompt_tokens": 1.0, "chosen_tokens": 1.5, "rejected_tokens": 2.5, "identical": 1,
    }  # fmt: skip


@given(pairs=PAIRS)
def test_padding_hides_nothing(pairs):
    packed = preference_pairs(pairs, name="drawn")
    for index, pair in enumerate(pairs):
        for field, tokens in zip(("prompt", "chosen", "rejected"), pair, strict=True):
            length = getattr(packed, f"{field}_length")[index]
            assert getattr(packed, field)[index, :length].tolist() == tokens
    assert packed.chosen.shape == packed.rejected.shape
    assert packed.fingerprint == preference_pairs(pairs, name="other", pad=7).fingerprint


def test_fingerprint_tells_pairs_apart():
    one = preference_pairs([([1], [2], [3, 4])], name="one")
    for other in ([([1], [2, 3], [4])], [([1], [3, 4], [2])], [([1], [2], [3, 4])] * 2, [([], [2], [3, 4])]):
        assert preference_pairs(other, name="one").fingerprint != one.fingerprint


PLAIN = {"prompt": "a", "chosen": "b", "rejected": "c"}
FAULTS = {
    "not JSON": ([PLAIN, "{"], "line 2: is not JSON"),
    "a list": ([[1]], "line 1: is a list, expected an object"),
    "an entry missing": ([PLAIN, {"prompt": "a", "chosen": "b"}], "line 2: lacks 'rejected'"),
    "a number": ([PLAIN, PLAIN | {"prompt": 3}], "line 2: 'prompt' is a int, expected text"),
    "empty completion": (["", PLAIN | {"chosen": ""}], "line 2: 'chosen' is empty"),
    "too long": ([PLAIN | {"rejected": "abcde"}], "line 1: 'rejected' has 5 tokens, at most 4 fit"),
    "not encoded": ([PLAIN | {"prompt": "A"}], "line 1: 'prompt' holds the token -31"),
    "nothing": ([], "holds no pairs"),
    "blank lines": (["", ""], "holds no pairs"),
    "nested": (["[" * 100_000], "line 1: is not JSON"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_file_and_line(tmp_path, fault):
    lines, says = FAULTS[fault]
    file = written(tmp_path, *lines)
    with pytest.raises(DataError, match=says) as caught:
        read_preferences(file, encode, longest=4)
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_preferences(tmp_path / "none.jsonl", encode)
    with pytest.raises(DataError, match="cannot be read"):
        read_preferences(tmp_path, encode)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_preferences(tmp_path / "binary", encode)


def test_an_encoder_that_fails_is_named(tmp_path):
    def failing(text):
        raise KeyError(text)

    with pytest.raises(DataError, match="line 1: 'prompt' cannot be turned into tokens"):
        read_preferences(written(tmp_path, PLAIN), failing)
