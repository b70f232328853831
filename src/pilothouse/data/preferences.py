"""Preference pairs: a prompt, the completion that was preferred and the one that was not."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError

FIELDS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, eq=False)
class PreferencePairs:
    """Fixed pairs as token numbers, int32, padded on the right with `pad`; the lengths say what counts.

    `prompt` is `[pair, longest prompt]`; `chosen` and `rejected` are `[pair, longest completion]`, equally wide. A
    completion holds at least one token; a prompt may be empty.
    """

    prompt: Int[np.ndarray, "pair prompt"]
    prompt_length: Int[np.ndarray, " pair"]
    chosen: Int[np.ndarray, "pair completion"]
    chosen_length: Int[np.ndarray, " pair"]
    rejected: Int[np.ndarray, "pair completion"]
    rejected_length: Int[np.ndarray, " pair"]
    name: str
    pad: int = 0

    def __len__(self) -> int:
        return len(self.prompt)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the tokens and lengths, in hexadecimal; neither the padding nor the name counts."""
        digest = hashlib.sha256()
        for field in FIELDS:
            tokens, lengths = getattr(self, field), getattr(self, f"{field}_length")
            digest.update(np.ascontiguousarray(lengths, "<i4").data)
            digest.update(np.ascontiguousarray(tokens[np.arange(tokens.shape[1]) < lengths[:, None]], "<i4").data)
        return digest.hexdigest()

    def rows(self) -> Batch:
        """All pairs as the engine takes them, one leading axis `[pair]`."""
        lengths = {f"{field}_length": getattr(self, f"{field}_length") for field in FIELDS}
        return Batch(**{field: getattr(self, field) for field in FIELDS}, **lengths)

    def summary(self) -> dict[str, float | int]:
        """Counts, token lengths, and how many pairs prefer a completion over itself (they teach nothing)."""
        width = range(len(self))
        same = sum(
            self.chosen_length[i] == self.rejected_length[i] and bool((self.chosen[i] == self.rejected[i]).all())
            for i in width
        )
        lengths = {f"{field}_tokens": float(getattr(self, f"{field}_length").mean()) for field in FIELDS}
        return {"pairs": len(self), **lengths, "identical": int(same)}


def preference_pairs(
    pairs: Sequence[tuple[Sequence[int], Sequence[int], Sequence[int]]], *, name: str, pad: int = 0
) -> PreferencePairs:
    """Pairs from `(prompt, chosen, rejected)` token lists, padded to the longest.

    **Raises:** `DataError` for no pairs, an empty completion, and tokens that are not whole numbers from 0.
    """
    if not pairs:
        raise DataError(f"{name}: holds no pairs. Give at least one.")
    for index, pair in enumerate(pairs):
        check_pair(f"{name}, pair {index}", *pair)
    width = max(len(tokens) for pair in pairs for tokens in pair[1:])
    padded = [_pad([p[0] for p in pairs], max(len(p[0]) for p in pairs), pad)]
    padded += [_pad([p[i] for p in pairs], width, pad) for i in (1, 2)]
    lengths = [np.array([len(p[i]) for p in pairs], np.int32) for i in range(3)]
    return PreferencePairs(padded[0], lengths[0], padded[1], lengths[1], padded[2], lengths[2], name=name, pad=pad)


def read_preferences(
    path: str | Path, encode: Callable[[str], Sequence[int]], *, pad: int = 0, longest: int | None = None
) -> PreferencePairs:
    """Pairs from a file with one JSON object a line: `{"prompt": …, "chosen": …, "rejected": …}`, all text.

    **Arguments:** `encode`: text to token numbers; `pad`: the token that fills up; `longest`: refuse prompts and
    completions of more tokens than this.

    **Raises:** `DataError`, one line with file and line number: no such file, not text, not JSON, a missing or
    non-text entry, an empty completion, too many tokens, no pairs at all.
    """
    path = Path(path)
    pairs = []
    for where, record in _records(path):
        texts = _texts(where, record)
        tokens = tuple(_encoded(where, encode, field, text) for field, text in zip(FIELDS, texts, strict=True))
        check_pair(where, *tokens)
        for field, numbers in zip(FIELDS, tokens, strict=True):
            if longest is not None and len(numbers) > longest:
                raise DataError(f"{where}: {field!r} has {len(numbers)} tokens, at most {longest} fit. Shorten it.")
        pairs.append(tokens)
    if not pairs:
        raise DataError(f'{path}: holds no pairs; expected lines of {{"prompt": …, "chosen": …, "rejected": …}}.')
    return preference_pairs(pairs, name=path.stem, pad=pad)


def check_pair(where: str, prompt: Sequence[int], chosen: Sequence[int], rejected: Sequence[int]) -> None:
    for field, tokens in zip(FIELDS, (prompt, chosen, rejected), strict=True):
        if field != "prompt" and not len(tokens):
            raise DataError(f"{where}: {field!r} is empty; a completion needs at least one token. Leave that pair out.")
        for token in tokens:
            if isinstance(token, bool) or not isinstance(token, int | np.integer) or not 0 <= token < 2**31:
                raise DataError(f"{where}: {field!r} holds the token {token!r}; expected whole numbers from 0.")


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}, line {number}", json.loads(line)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Give a JSON Lines file of preference pairs.") from None
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: is not UTF-8 text ({fault.reason}). Give a JSON Lines file.") from None
    except OSError as fault:
        raise DataError(f"{path}: cannot be read ({fault.strerror}). Give a readable JSON Lines file.") from None
    except (json.JSONDecodeError, RecursionError) as fault:
        reason = getattr(fault, "msg", "nested too deeply")
        raise DataError(f"{path}, line {number}: is not JSON ({reason}). Put one object on each line.") from None


def _texts(where: str, record: Any) -> list[str]:
    if not isinstance(record, dict):
        raise DataError(f"{where}: is a {type(record).__name__}, expected an object with {', '.join(FIELDS)}.")
    for field in FIELDS:
        if field not in record:
            raise DataError(f"{where}: lacks {field!r}; it holds {sorted(record)[:6]}. Give {', '.join(FIELDS)}.")
        if not isinstance(record[field], str):
            raise DataError(f"{where}: {field!r} is a {type(record[field]).__name__}, expected text.")
    return [record[field] for field in FIELDS]


def _encoded(where: str, encode: Callable[[str], Sequence[int]], field: str, text: str) -> list[int]:
    try:
        return list(encode(text))
    except (ValueError, KeyError, TypeError, IndexError) as fault:
        reason = " ".join(str(fault).split())
        raise DataError(
            f"{where}: {field!r} cannot be turned into tokens ({reason}). Use another tokenizer."
        ) from fault


def _pad(rows: list[Sequence[int]], width: int, pad: int) -> np.ndarray:
    out = np.full((len(rows), width), pad, np.int32)
    for row, tokens in zip(out, rows, strict=True):
        row[: len(tokens)] = tokens
    return out
