"""Karel's language: programs as words in a row of fixed length, as text, and the grammar that both obey.

    repeat 4 { while front_is_clear { move } put turn_left }

A word is an action, the head of a block with its condition or number, `else`, or the end of a block; `end` fills up the
row. In the manner of LEAPS's language (Trivedi et al., arXiv:2108.13643, figure 2), whose heads are several words each.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core.errors import DataError, SettingError
from pilothouse.worlds.karel import ACTIONS, PERCEPTIONS

CONDITIONS = (*PERCEPTIONS, *(f"not {name}" for name in PERCEPTIONS))
NUMBERS = (2, 3, 4, 5, 6, 7, 8)
WORDS = (
    "end",
    *ACTIONS,
    *(f"while {condition} {{" for condition in CONDITIONS),
    *(f"if {condition} {{" for condition in CONDITIONS),
    *(f"either {condition} {{" for condition in CONDITIONS),
    *(f"repeat {number} {{" for number in NUMBERS),
    "} else {",
    "}",
)
"""By number. `either` is the head of an `if` that has an `else`; in text both are called `if`."""

END, ELSE, CLOSE = 0, len(WORDS) - 2, len(WORDS) - 1
WHILE = 1 + len(ACTIONS)
IF, EITHER, REPEAT = (WHILE + len(CONDITIONS) * place for place in (1, 2, 3))
"""The first word of each kind of block."""

_LOOP, _BRANCH, _FIRST = 1, 2, 3
"""What a block is: gone back to, gone out of, or followed by an `else`."""

_KIND = np.zeros(len(WORDS), np.int32)
_KIND[WHILE:IF], _KIND[IF:EITHER], _KIND[EITHER:REPEAT], _KIND[REPEAT:ELSE] = _LOOP, _BRANCH, _FIRST, _LOOP
_OPENS = _KIND > 0
_ACTS = (np.arange(len(WORDS)) > END) & (np.arange(len(WORDS)) < WHILE)


class Reading(NamedTuple):
    """How far a program has been read: the blocks that are open, outermost first, how many there are, the words that it
    takes at least to finish it, whether a statement has to follow, and the words so far, up to its end."""

    open: Int[Array, " depth"]
    depth: Int[Array, ""]
    needed: Int[Array, ""]
    empty: Bool[Array, ""]
    words: Int[Array, ""]
    ended: Bool[Array, ""]


@dataclass(frozen=True)
class Grammar:
    """Programs of `length` words at most, whose blocks lie within each other `depth` deep at most, none of them empty."""

    length: int = 10
    depth: int = 2

    def __post_init__(self) -> None:
        if self.length < 1 or self.depth < 1:
            raise SettingError(f"length={self.length}, depth={self.depth}; expected at least 1 of each.")

    @property
    def vocabulary(self) -> int:
        return len(WORDS)

    def start(self) -> Reading:
        """Nothing read yet."""
        zero = jnp.zeros((), jnp.int32)
        return Reading(jnp.zeros(self.depth, jnp.int32), zero, zero + 1, zero == 0, zero, zero > 0)

    def allowed(self, state: Reading) -> Bool[Array, " words"]:
        """The words that may come next, so that the program can be finished within its length."""
        top = self._top(state)
        left = self.length - state.words - 1
        # What a word leaves to be written: a statement takes the place of one that was missing, a block needs another and
        # its end, and an `either` two, an `else` and an end.
        grown = jnp.asarray(np.where(_KIND == _FIRST, 4, np.where(_OPENS, 2, 0)))
        statement = (jnp.asarray(_ACTS) | (jnp.asarray(_OPENS) & (state.depth < self.depth))) & (
            state.needed - state.empty + grown <= left
        )
        words = jnp.arange(len(WORDS))
        closes = (words == CLOSE) & (top > 0) & (top != _FIRST) & ~state.empty
        other = (words == ELSE) & (top == _FIRST) & ~state.empty
        ends = words == END
        return jnp.where(state.ended, ends, statement | closes | other | (ends & (state.depth == 0) & ~state.empty))

    def read(self, state: Reading, word: Int[Array, ""]) -> Reading:
        """After one more word, which must be allowed."""
        kind, acts = jnp.asarray(_KIND)[word], jnp.asarray(_ACTS)[word]
        opens, closes, other = kind > 0, word == CLOSE, word == ELSE
        slots = jnp.arange(self.depth)
        opened = jnp.where(opens & (slots == state.depth), kind, state.open)
        opened = jnp.where(other & (slots == state.depth - 1), _BRANCH, opened)
        opened = jnp.where(closes & (slots == state.depth - 1), 0, opened)
        grown = jnp.where(kind == _FIRST, 4, jnp.where(opens, 2, 0))
        needed = state.needed + grown - ((opens | acts) & state.empty) - closes - other
        ended = state.ended | (word == END)
        empty = jnp.where(opens | other, True, jnp.where(acts | closes, False, state.empty))
        depth = state.depth + opens - closes
        after = Reading(opened, depth, needed, empty, state.words + 1, ended)
        # A row that is full has ended too: nothing is read after it.
        return after._replace(ended=ended | (after.words >= self.length))

    def _top(self, state: Reading) -> Int[Array, ""]:
        return jnp.where(jnp.arange(self.depth) == state.depth - 1, state.open, 0).sum()


def likely_words() -> Float[np.ndarray, " words"]:
    """How likely words are in a program drawn at random, before the grammar leaves some out: actions most, `either` least."""
    weights = np.zeros(len(WORDS), np.float32)
    for first, last, weight in (
        (END, 1, 0.2), (1, WHILE, 0.5), (WHILE, IF, 0.12), (IF, EITHER, 0.06), (EITHER, REPEAT, 0.04),
        (REPEAT, ELSE, 0.08), (ELSE, CLOSE, 0.5), (CLOSE, len(WORDS), 0.5),
    ):  # fmt: skip
        weights[first:last] = weight / (last - first)
    return weights


def random_program(grammar: Grammar, key: PRNGKeyArray) -> Int[Array, " length"]:
    """A program drawn word by word, each by `likely_words` among those allowed."""
    logits = jnp.log(likely_words())

    def one(state: Reading, key: PRNGKeyArray) -> tuple[Reading, Array]:
        word = jax.random.categorical(key, jnp.where(grammar.allowed(state), logits, -jnp.inf)).astype(jnp.int32)
        return grammar.read(state, word), word

    return jax.lax.scan(one, grammar.start(), jax.random.split(key, grammar.length))[1]


def follows(grammar: Grammar, program: Int[Array, " length"]) -> Bool[Array, ""]:
    """Whether every word is allowed where it stands, and nothing is missing."""

    def one(state: Reading, word: Array) -> tuple[Reading, Array]:
        return grammar.read(state, word), grammar.allowed(state)[word]

    state, fine = jax.lax.scan(one, grammar.start(), program)
    return fine.all() & (state.needed == 0)


def program_text(program: Int[np.ndarray, " length"]) -> str:
    """The words up to the end, as one line."""
    said = []
    for word in np.asarray(program).tolist():
        if word == END:
            break
        said.append(WORDS[word].replace("either ", "if "))
    return " ".join(said)


def parsed(text: str, length: int) -> Int[np.ndarray, " length"]:
    """A program from its text, line breaks or none.

    **Raises:** `DataError` for a word that is none, a block left open or closed twice, an empty one, an `else` after no
    `if`, and a program of no words or of more than `length`.
    """
    found: list[int] = []
    heads: list[int] = []
    pieces = text.replace("{", " { ").replace("}", " } ").split()
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece in ("while", "if", "repeat"):
            if "{" not in pieces[at:]:
                raise DataError(f"{text!r}: {piece!r} opens no block; expected '{{' after its condition or number.")
            until = pieces.index("{", at) + 1
        elif piece == "}":
            until = at + 3 if pieces[at + 1 : at + 3] == ["else", "{"] else at + 1
        else:
            until = at + 1
        word = " ".join(pieces[at:until])
        if word not in WORDS[1:]:
            raise DataError(f"{text!r}: {word!r} is no word of the language.")
        number = WORDS.index(word)
        if number in (ELSE, CLOSE):
            if not heads or found[-1] == ELSE or _OPENS[found[-1]]:
                raise DataError(f"{text!r}: {word!r} stands where no block is open, or an empty one.")
            if number == ELSE:
                head = heads[-1]
                if not IF <= found[head] < EITHER:
                    raise DataError(f"{text!r}: 'else' belongs to an 'if', once.")
                found[head] += EITHER - IF
            else:
                heads.pop()
        elif _OPENS[number]:
            heads.append(len(found))
        found.append(number)
        at = until
    if heads or not 0 < len(found) <= length:
        raise DataError(f"{text!r}: {len(found)} words of 1 to {length}, and {len(heads)} blocks left open.")
    return np.array(found + [END] * (length - len(found)), np.int32)


def jumps(program: Int[Array, " length"], depth: int) -> Int[Array, " length"]:
    """Where to go on from each word that is not simply followed by the next: a head whose condition fails, or that has been
    repeated enough, behind its block; an `else` that is come upon behind its own; the end of a loop to its head.

    Of rows that follow no grammar, whatever opens deeper than `depth`, or nothing, goes on to the next word.
    """
    length = program.shape[0]

    def one(carry: tuple[Array, Array], at: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        heads, level = carry
        word = program[at]
        opens, closes, other = jnp.asarray(_OPENS)[word], word == CLOSE, word == ELSE
        head = jnp.where((jnp.arange(depth) == level - 1) & (level > 0), heads, -1).max()
        level = jnp.clip(level + opens - closes, 0, depth)
        heads = jnp.where((opens | other) & (jnp.arange(depth) == level - 1), at, heads)
        # The head (or `else`) that ends here goes on behind this word, and a loop's end goes back to it.
        return (heads, level), (jnp.where(closes | other, head, -1), head)

    start = (jnp.full(depth, -1), jnp.zeros((), jnp.int32))
    _, (ends, heads) = jax.lax.scan(one, start, jnp.arange(length))
    steps = jnp.arange(length)
    behind = jnp.where(ends[None] == steps[:, None], steps[None] + 1, 0).max(axis=1)
    on = jnp.where(behind > 0, behind, steps + 1)
    back = (program == CLOSE) & (heads >= 0) & (jnp.asarray(_KIND)[program[heads]] == _LOOP)
    return jnp.where(back, heads, jnp.where(program == CLOSE, steps + 1, on)).astype(jnp.int32)
