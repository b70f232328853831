"""A language model with its words: text in, text out, whatever made it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.networks.transformer import Transformer
from pilothouse.policies.completions import complete

BATCH = 32
"""Prompts that are written behind at once: more needs more memory and saves little time on a processor."""
STEP = 16
"""Places that prompts take are rounded up to a multiple of this."""


@runtime_checkable
class Words(Protocol):
    """How text becomes tokens and back."""

    def encode(self, text: str, *, whole: bool = False) -> list[int]:
        """The tokens of a prompt, with whatever stands before every text, unless the text is `whole` and holds it."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without those that are no text."""
        ...

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        """A conversation as the model was taught to read it, up to where it is to answer."""
        ...


@dataclass(frozen=True)
class Written:
    """One completion: its text, its tokens, the log-probability of each (temperature 1), and whether it came to an end."""

    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: bool

    @property
    def log_prob(self) -> float:
        """Of the whole completion."""
        return float(sum(self.log_probs))


@dataclass(frozen=True)
class LanguageModel:
    """A transformer, its words, the tokens that end a text, and how many places it was made for (None: not known)."""

    model: Transformer
    words: Words
    ends: tuple[int, ...]
    context: int | None = None
    name: str = "language model"

    def prompt(self, text: str, *, chat: bool = False) -> list[int]:
        """The tokens of a prompt, in a conversation of one turn if `chat`. Raises `DataError` for an empty one."""
        if chat:  # the template writes what stands before every text itself
            found = self.words.encode(self.words.chat([{"role": "user", "content": text}]), whole=True)
        else:
            found = self.words.encode(text)
        if not found:
            raise DataError(f"The prompt {text!r} has no tokens; expected at least one.")
        return found

    def write(
        self,
        prompts: Sequence[str],
        *,
        samples: int = 1,
        longest: int = 128,
        temperature: float = 1.0,
        seed: int = 0,
        chat: bool = False,
    ) -> list[list[Written]]:
        """`samples` completions of each prompt, of at most `longest` tokens; temperature 0 takes the likeliest tokens.

        A prompt's completions depend on the model, the prompts, `seed` and nothing else. Raises `DataError` for
        prompts that are empty or leave no room for `longest` tokens in the model's context.
        """
        encoded = [self.prompt(text, chat=chat) for text in prompts]
        room = max((len(tokens) for tokens in encoded), default=0)
        if self.context is not None and room + longest > self.context:
            raise DataError(
                f"A prompt of {room} tokens and {longest} to write do not fit into the {self.context} places of "
                f"{self.name}. Shorten the prompt or ask for fewer tokens."
            )
        rows = [tokens for tokens in encoded for _ in range(samples)]
        found: list[Written] = []
        # Sizes in steps: prompts that are a little longer, or one more of them, need no program of their own.
        room += -room % STEP
        size = min(BATCH, 1 << max(len(rows) - 1, 0).bit_length())
        for number, start in enumerate(range(0, len(rows), size)):
            part = rows[start : start + size]
            part = [*part, *[part[-1]] * (size - len(part))]  # one program for all batches
            tokens, mask = padded(part, room)
            key = jax.random.fold_in(jax.random.key(seed), number)
            done = complete(self.model, tokens, mask, ends=self.ends, longest=longest, temperature=temperature, key=key)
            found += [
                self._written(done.tokens[i], done.log_probs[i], int(done.lengths[i]), bool(done.ended[i]))
                for i in range(min(size, len(rows) - start))
            ]
        return [found[i * samples : (i + 1) * samples] for i in range(len(prompts))]

    def _written(self, tokens: np.ndarray, log_probs: np.ndarray, length: int, ended: bool) -> Written:
        kept = tuple(int(token) for token in tokens[:length])
        text = self.words.decode(kept[:-1] if ended else kept)
        return Written(text, kept, tuple(float(x) for x in log_probs[:length]), ended)


def padded(rows: Sequence[Sequence[int]], room: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of tokens against the right edge of `room` places, and where they are: `(rows, room)` both."""
    tokens, mask = np.zeros((len(rows), room), np.int32), np.zeros((len(rows), room), bool)
    for place, row in enumerate(rows):
        tokens[place, room - len(row) :], mask[place, room - len(row) :] = row, True
    return tokens, mask
