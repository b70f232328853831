"""Layered environments: bounds by hand, layers that leave each other alone, and validators that refuse what is no game."""

import numpy as np
import pytest

from pilothouse.core.errors import SettingError, UnknownNameError
from pilothouse.worlds.layered import SEES, TOLD, Layered, LayeredSpec, faults_of, generated, thirty_six
from pilothouse.worlds.tabular_exact import optimal


def walk(spec: LayeredSpec, *actions: str) -> tuple[list[str], float, bool]:
    environment = Layered(spec)
    seen, paid, ended = [environment.reset(np.random.default_rng(0))], 0.0, False
    for action in actions:
        text, reward, ended = environment.step(action)
        seen.append(text)
        paid += reward
    return seen, paid, ended


def test_bounds_by_hand() -> None:
    # Two by two, two steps: the best goes round the corner. By chance a half leaves the start, and a quarter goes on.
    assert Layered(LayeredSpec(side=2, goal=3, horizon=2)).bounds == pytest.approx((1 / 8, 1))
    # A trap beside the start, one step: the best stays, chance meets it one time in four.
    assert Layered(LayeredSpec(side=2, goal=3, traps=(1,), horizon=1)).bounds == pytest.approx((-1 / 4, 0))
    # Slipping half the time, one step from the goal (a row of two, the other row walled): 1/2 + 1/8.
    assert Layered(LayeredSpec(side=2, goal=1, slip=0.5, horizon=1)).bounds[1] == pytest.approx(5 / 8)


def test_walls_keys_and_edges() -> None:
    spec = LayeredSpec(side=3, goal=2, walls=(4,), key=3, horizon=9)
    assert walk(spec, "east", "south")[0][-1].startswith("You are at row 0, column 1")  # a wall below
    assert walk(spec, "north")[0] == walk(spec)[0] * 2  # an edge above
    assert walk(spec, "east", "east")[1:] == (0, False)  # at the goal without the key
    seen, paid, ended = walk(spec, "south", "north", "east", "east")
    assert "You hold the key." in seen[1] and "You hold the key." in seen[3] and (paid, ended) == (1, True)


def test_a_layer_leaves_the_others_alone() -> None:
    base = Layered(LayeredSpec(goal=7, walls=(5,), slip=0.1))
    for sees in SEES:
        for told in TOLD:
            other = Layered(LayeredSpec(goal=7, walls=(5,), slip=0.1, sees=sees, told=told))
            np.testing.assert_array_equal(other.tables[0], base.tables[0])
            assert len(set(other.names)) == 4
    assert walk(LayeredSpec(told="inversely"), "north")[0] == walk(LayeredSpec(), "south")[0]
    assert walk(LayeredSpec(sees="nothing"), "south")[0] == ["It is dark."] * 2
    assert walk(LayeredSpec(sees="walls", walls=(1,)))[0] == ["There are walls east, north, west."]
    assert "row" not in walk(LayeredSpec(told="in codes"))[0][0]


def test_places_in_codes_are_told_apart() -> None:
    environment = Layered(LayeredSpec(side=5, goal=24, told="in codes"))
    seen = set()
    for cell in range(25):
        environment._state = cell
        seen.add(environment.seen())
    assert len(seen) == 25


def test_what_happens_is_what_the_tables_say() -> None:
    environment = Layered(LayeredSpec(goal=15, slip=0.3))
    draw, found = np.random.default_rng(0), []
    for _ in range(4000):
        environment.reset(draw)
        found.append(environment.step("south")[0])
    share = np.mean([text.startswith("You are at row 1, column 0") for text in found])
    expected = environment.tables[0][0, 2, 4]
    assert expected == pytest.approx(0.7 + 0.3 / 4) and abs(share - expected) < 4 * np.sqrt(expected / 4 / 4000 * 3)


def test_the_base_is_a_world_whose_best_is_the_bound() -> None:
    environment = Layered(generated("slippery", "place", "plainly", np.random.default_rng(0)))
    # Endless and hardly discounted is no less than fourteen steps.
    best = optimal(environment.world(), discount=0.999).value[0]
    assert environment.bounds[1] - 0.02 <= best <= 1


def test_thirty_six_differ_and_have_no_faults() -> None:
    specs = thirty_six(np.random.default_rng(1))
    assert len({spec.to_json() for spec in specs}) == 36 and not any(faults_of(spec) for spec in specs)
    assert [LayeredSpec.from_json(spec.to_json()) for spec in specs] == list(specs)


def test_what_is_no_game_is_named() -> None:
    assert faults_of(LayeredSpec(side=3, goal=8, walls=(5, 7))) == ["the goal cannot be reached in time"]
    assert "too little" in faults_of(LayeredSpec(side=2, goal=1, horizon=40))[0]
    assert faults_of(LayeredSpec(side=3, goal=2, key=8, walls=(5, 7))) == ["the goal cannot be reached in time"]
    with pytest.raises(SettingError, match="expected each once"):
        LayeredSpec(goal=3, walls=(3,))
    with pytest.raises(UnknownNameError, match="sees"):
        LayeredSpec(sees="all")
    with pytest.raises(UnknownNameError, match="action"):
        walk(LayeredSpec(), "up")
    for text in ('{"gaol": 3}', "[]", "{", '{"side": "4"}'):
        with pytest.raises(SettingError):
            LayeredSpec.from_json(text)
