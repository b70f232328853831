"""Karel: the robot by hand, its language read and written, and programs run against an interpreter that is plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.worlds.karel import ACTIONS, PERCEPTIONS, Karel, Yard
from pilothouse.worlds.karel_language import WORDS, Grammar, follows, parsed, program_text, random_program
from pilothouse.worlds.karel_programs import KarelPrograms, run

GRAMMAR, KEY = Grammar(16, 3), jax.random.key(0)
STEPS, LONGEST = 24, 120
HEADINGS = ((-1, 0), (0, 1), (1, 0), (0, -1))
ANYWHERE = Karel("anywhere", 4)
DRAWN = jax.jit(jax.vmap(lambda key: random_program(GRAMMAR, key)))(jax.random.split(KEY, 300))

moved, perceived = jax.jit(ANYWHERE.moved), jax.jit(ANYWHERE.perceived)


def yard(rows: str, place: tuple[int, int], heading: int) -> Yard:
    """From rows of `.`, `#` (a wall) and `o` (a marker)."""
    cells = np.array([list(row) for row in rows.split()])
    zero = jnp.zeros((), jnp.int32)
    return Yard(
        jnp.asarray(cells == "#"), jnp.asarray(cells == "o"), jnp.array(place), zero + heading, jnp.zeros(2, int), zero
    )


def slowly(text: str, state: Yard, longest: int) -> tuple[list[int], list[list[bool]]]:
    """What a program does, by the plainest of interpreters: its actions, and what was perceived before each."""
    walls, markers = np.array(state.walls), np.array(state.markers)
    (row, column), heading = np.asarray(state.place).tolist(), int(state.heading)
    acted: list[int] = []
    seen: list[list[bool]] = []
    pieces, spent = text.split(), 0

    def free(turn: int) -> bool:
        r, c = (a + b for a, b in zip((row, column), HEADINGS[(heading + turn) % 4], strict=True))
        return 0 <= r < len(walls) and 0 <= c < len(walls) and not walls[r, c]

    def now() -> list[bool]:
        return [free(0), free(-1), free(1), bool(markers[row, column])]

    def block(at: int) -> int:
        """Where the block that is opened before `at` ends."""
        level = 1
        while level:
            level += {"{": 1, "}": -1}.get(pieces[at], 0)
            at += 1
        return at - 1

    class Stopped(Exception):
        pass

    def spend() -> None:
        nonlocal spent
        if spent == longest:
            raise Stopped
        spent += 1

    def act(action: int) -> None:
        nonlocal row, column, heading
        seen.append(now())
        acted.append(action)
        name = ACTIONS[action]
        if name == "move" and free(0):
            row, column = row + HEADINGS[heading][0], column + HEADINGS[heading][1]
        elif name == "move":
            heading = (heading + 2) % 4
        elif name in ("turn_left", "turn_right"):
            heading = (heading + (1 if name == "turn_right" else 3)) % 4
        else:
            markers[row, column] = name == "put"

    def go(at: int, end: int) -> None:
        while at < end:
            spend()
            if pieces[at] in ACTIONS:
                act(ACTIONS.index(pieces[at]))
                at += 1
                continue
            opened = pieces.index("{", at)
            closed = block(opened + 1)
            told = pieces[at + 1 : opened]
            has_else = pieces[closed + 1 : closed + 2] == ["else"]
            after = block(closed + 3) + 1 if has_else else closed + 1
            if pieces[at] == "repeat":
                for _ in range(int(told[0])):
                    go(opened + 1, closed)
                    spend()  # the end of the block
                    spend()  # its head again
            else:
                while (told[0] == "not") != now()[PERCEPTIONS.index(told[-1])]:
                    go(opened + 1, closed)
                    spend()  # the end of the block, or the else behind it
                    if pieces[at] == "if":
                        break
                    spend()
                else:
                    if has_else:
                        go(closed + 3, after - 1)
                        spend()
            at = after

    try:
        go(0, len(pieces))
    except Stopped:
        pass
    return acted, [*seen, now()]


def test_programs_drawn_follow_the_grammar_and_their_text_reads_back() -> None:
    assert bool(jax.jit(jax.vmap(lambda program: follows(GRAMMAR, program)))(DRAWN).all())
    assert len({bytes(row) for row in np.asarray(DRAWN)}) > 200
    for program in np.asarray(DRAWN):
        np.testing.assert_array_equal(parsed(program_text(program), GRAMMAR.length), program)


def test_a_program_does_what_a_plain_interpreter_says() -> None:
    """Action by action, and perception by perception, in random yards, stopped ones among them."""
    states = jax.vmap(lambda key: ANYWHERE.reset((), key)[0])(jax.random.split(jax.random.key(1), len(DRAWN)))
    one = lambda program, state: run(ANYWHERE, program, state, longest=LONGEST, depth=3, steps=STEPS)  # noqa: E731
    found = jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(DRAWN, states))
    for at, program in enumerate(np.asarray(DRAWN)):
        acted, seen = slowly(program_text(program), jax.tree.map(lambda x, at=at: x[at], states), LONGEST)
        assert found.actions[at] == len(acted), program_text(program)
        kept = min(STEPS, len(acted))
        np.testing.assert_array_equal(found.acted[at, :kept], acted[:kept])
        shown = min(STEPS, len(seen))
        np.testing.assert_array_equal(found.perceived[at, :shown], np.array(seen[:shown], float))
    assert (found.words == LONGEST).any() and (found.words < LONGEST).any()


def test_the_robot_by_hand() -> None:
    here = yard("..#. .... .o.. ....", (1, 2), 0)
    np.testing.assert_array_equal(perceived(here), [False, True, True, False])  # the wall is ahead
    after = moved(here, jnp.array(0))
    assert after.place.tolist() == [1, 2] and after.heading == 2  # it turned round
    after = moved(after, jnp.array(0))
    assert after.place.tolist() == [2, 2] and after.heading == 2
    after = moved(moved(after, jnp.array(2)), jnp.array(0))  # right of south is west
    assert after.place.tolist() == [2, 1] and after.heading == 3
    np.testing.assert_array_equal(perceived(after), [True, True, True, True])
    assert not moved(after, jnp.array(3)).markers.any() and moved(after, jnp.array(4)).markers.sum() == 1
    assert moved(after, jnp.array(1)).heading == 2 and after.time == 4


@pytest.mark.parametrize(
    ("task", "text", "paid", "over"),
    [
        # East to the corner, then left along the edges: a marker in each of the four.
        ("four-corners", "repeat 4 { while front_is_clear { move } put turn_left }", 1.0, True),
        ("four-corners", "while front_is_clear { move } put", 0.25, False),
        ("four-corners", "while front_is_clear { move } put move put", 0.25, False),  # turned round: where it was
        ("four-corners", "while front_is_clear { move } put move move put", 0.25, True),
        ("harvest", "while front_is_clear { move } repeat 8 { pick move }", 6 / 36, False),
        ("sow", "while front_is_clear { move } repeat 8 { pick move }", 0.5, False),
        ("sow", "turn_left while front_is_clear { move } put", 1 / 12, False),
        ("sow", "turn_left move put", 0.0, True),
        ("stairs", "while not markers_present { turn_left move turn_right move }", 1.0, True),
    ],
)
def test_what_tasks_pay_by_hand(task: str, text: str, paid: float, over: bool) -> None:
    place = KarelPrograms(task, length=16, depth=3)
    state, _ = place.reset((), KEY)
    after, found = jax.jit(place.step)(state, jnp.asarray(parsed(text, 16)), KEY)
    assert found.reward == pytest.approx(paid) and bool(found.terminated) == over and after.time == 1
    assert not found.truncated


def test_the_pay_of_programs_adds_up_and_a_limit_truncates() -> None:
    place = KarelPrograms("four-corners", length=10, horizon=2)
    corner, further = (
        jnp.asarray(parsed(text, 10))
        for text in ("while front_is_clear { move } put", "turn_left while front_is_clear { move } put")
    )
    state, _ = place.reset((), KEY)
    state, first = place.step(state, corner, KEY)
    _, second = place.step(state, further, KEY)
    assert (first.reward, second.reward) == (0.25, 0.25)
    assert not first.truncated and second.truncated and not second.terminated
    assert int(second.extra["actions"]) == 7  # a turn, five moves, a put


def test_what_never_ends_is_stopped_and_nonsense_is_run_as_far_as_it_goes() -> None:
    place = KarelPrograms("harvest", longest=40)
    state, _ = place.reset((), KEY)
    for text in ("while markers_present { turn_left }", "while front_is_clear { turn_left turn_right }"):
        _, found = place.step(state, jnp.asarray(parsed(text, 10)), KEY)
        assert found.reward == pytest.approx(0, abs=1e-6) and 0 < int(found.extra["actions"]) < 40
    nonsense = jax.random.randint(KEY, (64, 10), 0, len(WORDS))
    found = jax.jit(jax.vmap(lambda program: place.step(state, program, KEY)[1]))(nonsense)
    assert np.isfinite(found.reward).all() and (found.extra["actions"] <= 40).all()


@pytest.mark.parametrize(
    "text",
    ["", "jump", "while front_is_clear move", "while hungry { move }", "repeat 4 { move", "move }", "if markers_present { }",
     "else { move }", "while front_is_clear { move } else { put }", "repeat 99 { move }", "move " * 17],
)  # fmt: skip
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parsed(text, 16)


def test_wrong_settings_are_refused() -> None:
    for make in (
        lambda: Karel("golf"),
        lambda: Karel(side=2),
        lambda: KarelPrograms(length=0),
        lambda: KarelPrograms("golf"),
    ):
        with pytest.raises(SettingError):
            make()
