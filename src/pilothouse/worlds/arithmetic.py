"""Arithmetic as text: a prompt such as `12+7=` is given, the answer is written one character at a time.

A token world: the action is the next token. Verification is exact: the tokens before EOS are the answer or they are
not. The vocabulary is `PAD BOS EOS 0…9 + - * =`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError, SettingError, SpaceError
from pilothouse.core.spaces import DictSpace, Discrete, Spec, Tokens
from pilothouse.worlds import drawing
from pilothouse.worlds.world import Outcome, Task

PAD, BOS, EOS = 0, 1, 2
SIGNS = "0123456789+-*="
ZERO = 3
"""The token of the digit 0; the digits follow in order."""
VOCABULARY = ZERO + len(SIGNS)
_TOKEN = {sign: ZERO + place for place, sign in enumerate(SIGNS)}


def encode(text: str) -> Int[np.ndarray, " length"]:
    """Tokens of a text, one a character, without BOS or EOS. Raises `DataError` for characters outside `SIGNS`."""
    strange = sorted(set(text) - set(SIGNS))
    if strange:
        raise DataError(f"{text!r} holds {', '.join(map(repr, strange))}; expected characters out of {SIGNS!r} only.")
    return np.array([_TOKEN[sign] for sign in text], np.int32)


def decode(tokens) -> str:
    """The text of tokens up to the first EOS; PAD and BOS are left out. Inverse of `encode`."""
    ids = np.asarray(tokens).ravel().tolist()
    ids = ids[: ids.index(EOS)] if EOS in ids else ids
    return "".join(SIGNS[token - ZERO] for token in ids if ZERO <= token < VOCABULARY)


class ArithmeticWords:
    """The words of this world, as language models take them: a token a character, BOS before every prompt."""

    def encode(self, text: str, *, whole: bool = False) -> list[int]:
        return [*([] if whole else [BOS]), *encode(text).tolist()]

    def decode(self, tokens: Sequence[int]) -> str:
        return decode(tokens)

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        raise DataError("Models of arithmetic hold no conversations. Leave out --chat.")


class TextState(eqx.Module):
    """The tokens emitted so far (PAD beyond `count`) and the task that they answer."""

    tokens: Int[Array, " longest"]
    count: Int[Array, ""]
    prompt: Int[Array, " prompt"]
    answer: Int[Array, " longest"]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Arithmetic:
    """Problems `a o b =` with operands below 10^digits and `o` out of `operations`; answers may be negative.

    Observation: `token`, the newest token (at first the last of the prompt), and `position`, its place in the sequence
    of `prompt` + `longest` tokens, prompts left-padded: the first is at `prompt - 1`. A policy that keeps a cache
    fills it with all of the prompt but its last token, which is the first observation.
    Action: the next token. Reward 1 on the step that emits EOS if the tokens before it are exactly the answer, else 0.
    An episode terminates with EOS, and also when `longest` tokens stand without one: a text that ran out of room is
    finished, no further token could change its worth, so there is nothing to bootstrap from and it is not truncated.

    A task is a batch (or dict) of `prompt` (BOS and text, left-padded), `prompt_length` (BOS included) and `answer`
    (padded with PAD). `()` draws a problem; use `sample_task` where a policy must see the prompt too.
    `prompt` and `longest` may be larger than the problems need, never smaller.
    """

    digits: int = 2
    operations: str = "+-"
    prompt: int | None = None
    longest: int | None = None

    def __post_init__(self):
        if not self.operations or set(self.operations) - set("+-*"):
            raise SettingError(f"operations={self.operations!r}; expected one or more of '+', '-' and '*'.")
        most = 4 if "*" in self.operations else 9  # so that every answer is within int32
        if not 1 <= self.digits <= most:
            raise SettingError(f"digits={self.digits}; expected 1 to {most} with operations={self.operations!r}.")
        for name, least in (("prompt", 3 + 2 * self.digits), ("longest", self._widest + 1)):
            given = getattr(self, name)
            if given is None:
                object.__setattr__(self, name, least)
            elif given < least:
                raise SettingError(f"{name}={given}; problems of {self.digits} digits need at least {least} tokens.")

    @property
    def _widest(self) -> int:
        """Characters of the longest answer."""
        widths = {"+": self.digits + 1, "-": self.digits + 1, "*": 2 * self.digits}
        return max(widths[operation] for operation in self.operations)

    @property
    def horizon(self) -> int:
        """The most steps that an episode can have."""
        return int(self.longest or 0)

    @property
    def spec(self) -> Spec:
        prompt, longest = int(self.prompt or 0), int(self.longest or 0)
        obs = DictSpace.of({"token": Discrete(VOCABULARY), "position": Discrete(prompt + longest)})
        return Spec(obs, Tokens(VOCABULARY, longest, prompt))

    def sample_task(self, key: PRNGKeyArray) -> Batch:
        """A random problem: operands uniform below 10^digits, operation uniform."""
        pick, first, second = jax.random.split(key, 3)
        a, b = (jax.random.randint(k, (), 0, 10**self.digits) for k in (first, second))
        operation = jax.random.randint(pick, (), 0, len(self.operations))
        results = jnp.stack([{"+": a + b, "-": a - b, "*": a * b}[sign] for sign in self.operations])
        sign = jnp.array([_TOKEN[sign] for sign in self.operations])[operation]
        return self._task(a, sign, b, results[operation])

    def task(self, prompt: str, answer: str) -> Batch:
        """The task of a prompt and its answer given as text. Raises `DataError` where either does not fit."""
        return _task_of_text(prompt, answer, prompt_room=int(self.prompt or 0), answer_room=int(self.longest or 0))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[TextState, dict[str, Int[Array, ""]]]:
        given: Any = self.sample_task(key) if isinstance(task, tuple) and not task else task
        prompt, answer = jnp.asarray(given["prompt"], jnp.int32), jnp.asarray(given["answer"], jnp.int32)
        if (prompt.shape, answer.shape) != ((self.prompt,), (self.longest,)):
            raise SpaceError(
                f"A task of prompt {prompt.shape} and answer {answer.shape} in a world with room for ({self.prompt},) "
                f"and ({self.longest},); make the world with the prompt= and longest= of the tasks."
            )
        state = TextState(jnp.full(self.horizon, PAD, jnp.int32), jnp.zeros((), jnp.int32), prompt, answer)
        return state, self._observe(state, prompt[-1])

    def step(self, state: TextState, action: Int[Array, ""], key: PRNGKeyArray) -> tuple[TextState, Outcome]:
        del key  # nothing is drawn
        action = jnp.asarray(action, jnp.int32)
        tokens = jnp.where(jnp.arange(self.horizon) == state.count, action, state.tokens)
        after = TextState(tokens, state.count + 1, state.prompt, state.answer)
        ended = action == EOS
        correct = ended & is_answer(tokens, state.answer)
        terminated = ended | (after.count >= self.horizon)
        reward = correct.astype(jnp.float32)
        never = jnp.zeros((), bool)
        return after, Outcome(self._observe(after, action), reward, terminated, never, {"success": correct})

    def _observe(self, state: TextState, token: Int[Array, ""]) -> dict[str, Int[Array, ""]]:
        return {"token": token, "position": state.count + (int(self.prompt or 0) - 1)}

    def _task(self, a: Array, sign: Array, b: Array, result: Array) -> Batch:
        """Lay out `BOS a sign b =` against the right edge, and the result against the left."""
        (left, left_size), (right, right_size) = (_digits(x, self.digits) for x in (a, b))
        length = 3 + left_size + right_size
        place = jnp.arange(int(self.prompt or 0)) - (int(self.prompt or 0) - length)
        at_left, at_right = place - 1, place - 2 - left_size
        prompt = jnp.select(
            [place < 0, place == 0, at_left < left_size, at_left == left_size, at_right < right_size],
            [PAD, BOS, _at(left, at_left), sign, _at(right, at_right)],
            _TOKEN["="],
        )
        written, size = _digits(jnp.abs(result), self._widest)
        negative = (result < 0).astype(int)
        place = jnp.arange(self.horizon)
        answer = jnp.where(place - negative < size, _at(written, place - negative), PAD)
        answer = jnp.where((place == 0) & (result < 0), _TOKEN["-"], answer)
        return Batch(
            prompt=prompt.astype(jnp.int32), prompt_length=length.astype(jnp.int32), answer=answer.astype(jnp.int32)
        )

    def render(self, state: TextState) -> drawing.Image:
        """Prompt, what was written (right or wrong by colour once ended), and the answer below: `(96, 480, 3)`."""
        image = drawing.blank(96, 480)
        prompt, written = decode(state.prompt), decode(state.tokens)
        ended = EOS in np.asarray(state.tokens).tolist()
        right = ended and bool(is_answer(jnp.asarray(state.tokens), jnp.asarray(state.answer)))
        colour = (drawing.MOSS if right else drawing.RUST) if ended else drawing.SEA
        drawing.text(image, 12, 14, prompt, scale=4)
        drawing.text(image, 12 + 24 * len(prompt), 14, written, colour, scale=4)
        drawing.text(image, 12 + 24 * len(prompt), 60, decode(state.answer), drawing.MIST, scale=3)
        return image


def is_answer(tokens: Int[Array, "*batch longest"], answer: Int[Array, "*batch longest"]) -> Bool[Array, "*batch"]:
    """Whether emitted tokens (PAD after EOS) are exactly the answer (padded with PAD) and one EOS behind it."""
    size = jnp.sum(answer != PAD, axis=-1, keepdims=True)
    place = jnp.arange(answer.shape[-1])
    wanted = jnp.where(place == size, EOS, answer)
    return (tokens == wanted).all(axis=-1) & (size[..., 0] < answer.shape[-1])


def solve(prompt: str) -> str:
    """The answer to `a o b =`, by Python's own integers. Raises `DataError` for a prompt of another form."""
    body = prompt.removesuffix("=")
    place = next((i for i, sign in enumerate(body) if sign in "+-*" and i > 0), None)
    left, right = (body[:place], body[place + 1 :]) if place else ("", "")
    if not prompt.endswith("=") or not (left.isdigit() and right.isdigit()):
        raise DataError(f"{prompt!r} is no problem of the form '12+7='.")
    a, b = int(left), int(right)
    return str({"+": a + b, "-": a - b, "*": a * b}[body[place or 0]])


def _task_of_text(prompt: str, answer: str, *, prompt_room: int, answer_room: int) -> Batch:
    asked, wanted = encode(prompt), encode(answer)
    if not len(asked) or not len(wanted):
        raise DataError("an empty prompt or answer; expected at least one character in each")
    if len(asked) + 1 > prompt_room or len(wanted) + 1 > answer_room:
        raise DataError(
            f"prompt {prompt!r} takes {len(asked) + 1} tokens with BOS and answer {answer!r} {len(wanted) + 1} with "
            f"EOS; the room is {prompt_room} and {answer_room}"
        )
    padded = np.full(prompt_room, PAD, np.int32)
    padded[prompt_room - len(asked) - 1 :] = [BOS, *asked]
    behind = np.full(answer_room, PAD, np.int32)
    behind[: len(wanted)] = wanted
    return Batch(prompt=padded, prompt_length=np.int32(len(asked) + 1), answer=behind)


def _digits(number: Array, width: int) -> tuple[Int[Array, " width"], Int[Array, ""]]:
    """Tokens of a number's digits, first digit first and 0 beyond them, and how many there are (at least one)."""
    powers = jnp.array([10**place for place in range(width)])
    size = jnp.maximum(jnp.sum(number >= powers), 1)
    place = size - 1 - jnp.arange(width)
    return ZERO + number // powers[jnp.clip(place, 0)] % 10, size


def _at(digits: Int[Array, " width"], place: Int[Array, " room"]) -> Int[Array, " room"]:
    return digits[jnp.clip(place, 0, digits.shape[0] - 1)]
