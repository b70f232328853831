import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.core.errors import DataError, SettingError, SpaceError
from pilothouse.worlds.arithmetic import BOS, EOS, PAD, SIGNS, VOCABULARY, Arithmetic, decode, encode, is_answer, solve

KEY = jax.random.key(0)
PLACE = Arithmetic(digits=2, operations="+-*")


@jax.jit
def write(task, tokens):
    """Emit tokens one after another: observations, rewards, ends."""
    state, _ = PLACE.reset(task, KEY)
    return jax.lax.scan(lambda s, token: PLACE.step(s, token, KEY), state, tokens)[1]


def written(text: str) -> jnp.ndarray:
    """Tokens of an answer and EOS, filled up with PAD to the room."""
    tokens = np.full(PLACE.horizon, PAD, np.int32)
    tokens[: len(text)] = encode(text)
    if len(text) < PLACE.horizon:
        tokens[len(text)] = EOS
    return jnp.array(tokens)


@given(text=st.text(SIGNS, max_size=12))
def test_decoding_undoes_encoding(text):
    assert decode(encode(text)) == text
    assert decode([BOS, *encode(text), EOS, 5, 5]) == text


@settings(max_examples=60)
@given(a=st.integers(0, 99), b=st.integers(0, 99), sign=st.sampled_from("+-*"), guess=st.integers(-99, 9999))
def test_only_the_exact_answer_is_paid(a, b, sign, guess):
    prompt = f"{a}{sign}{b}="
    truth = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert solve(prompt) == str(truth)
    task = PLACE.task(prompt, str(truth))
    for answer in {guess, truth}:
        outcome = write(task, written(str(answer)))
        end = len(str(answer))
        expected = np.zeros(PLACE.horizon)
        expected[end] = answer == truth
        np.testing.assert_array_equal(outcome.reward[: end + 1], expected[: end + 1])
        assert outcome.terminated.tolist().index(True) == end
        assert not outcome.truncated.any()


@pytest.mark.parametrize("wrong", ["", "1", "190", "019", "-19", "19=", "91"])
def test_near_misses_are_wrong(wrong):
    outcome = write(PLACE.task("12+7=", "19"), written(wrong))
    assert not outcome.reward.any()


def test_a_pad_before_the_end_is_wrong():
    tokens = written("19").at[2].set(PAD).at[3].set(EOS)
    assert not write(PLACE.task("12+7=", "19"), tokens).reward.any()


def test_running_out_of_room_terminates_unpaid():
    tokens = jnp.full(PLACE.horizon, encode("1")[0])
    outcome = write(PLACE.task("12+7=", "19"), tokens)
    assert outcome.terminated.tolist() == [False] * (PLACE.horizon - 1) + [True]
    assert not outcome.reward.any() and not outcome.truncated.any()


def test_observations_continue_where_the_prompt_ends():
    task = PLACE.task("12+7=", "19")
    _, obs = PLACE.reset(task, KEY)
    assert (int(obs["token"]), int(obs["position"])) == (int(encode("=")[0]), PLACE.prompt - 1)
    outcome = write(task, written("19"))
    assert outcome.next_obs["token"][:3].tolist() == [*encode("19"), EOS]
    assert outcome.next_obs["position"][:3].tolist() == [PLACE.prompt, PLACE.prompt + 1, PLACE.prompt + 2]
    assert PLACE.spec.action.longest == PLACE.horizon == 5 and PLACE.spec.action.vocabulary == VOCABULARY == 17


@pytest.mark.parametrize("digits,operations", [(1, "+"), (2, "+-*"), (3, "-"), (4, "*"), (9, "+-")])
def test_drawn_problems_are_well_formed_and_their_answers_true(digits, operations):
    place = Arithmetic(digits, operations)
    tasks = jax.jit(jax.vmap(place.sample_task))(jax.random.split(KEY, 200))
    seen = set()
    for prompt, length, answer in zip(tasks.prompt, tasks.prompt_length, tasks.answer, strict=True):
        text = decode(prompt)
        assert solve(text) == decode(answer)
        by_text = place.task(text, decode(answer))
        np.testing.assert_array_equal(by_text.prompt, prompt)
        np.testing.assert_array_equal(by_text.answer, answer)
        assert by_text.prompt_length == length == len(text) + 1
        seen.update(sign for sign in operations if sign in text)
    assert seen == set(operations)


def test_drawn_problems_reach_both_ends():
    place = Arithmetic(1, "-")
    tasks = jax.jit(jax.vmap(place.sample_task))(jax.random.split(KEY, 2000))
    assert {decode(prompt) for prompt in tasks.prompt} == {f"{a}-{b}=" for a in range(10) for b in range(10)}


def test_the_empty_task_draws_the_problem_of_its_key():
    state, _ = PLACE.reset((), jax.random.key(4))
    np.testing.assert_array_equal(state.prompt, PLACE.sample_task(jax.random.key(4)).prompt)


def test_is_answer_takes_whole_batches():
    answer = PLACE.task("2*3=", "6").answer
    tokens = jnp.stack([written("6"), written("7"), written("66")])
    assert is_answer(tokens, jnp.broadcast_to(answer, tokens.shape)).tolist() == [True, False, False]


def test_faults_are_refused():
    with pytest.raises(DataError, match="'x'"):
        encode("1x2=")
    with pytest.raises(DataError, match="the room is"):
        PLACE.task("123456+7=", "123463")
    with pytest.raises(DataError, match="of the form"):
        solve("12+=")
    with pytest.raises(SettingError, match="1 to 4"):
        Arithmetic(5, "*")
    with pytest.raises(SettingError, match="operations"):
        Arithmetic(2, "/")
    with pytest.raises(SettingError, match="at least 7"):
        Arithmetic(2, prompt=6)
    with pytest.raises(SpaceError, match="make the world with"):
        PLACE.reset(Arithmetic(1).task("1+1=", "2"), KEY)
