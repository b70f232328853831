import gymnasium.spaces as gs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import SpaceError
from pilothouse.core.gymnasium_spaces import discrete_start, from_gymnasium, to_gymnasium
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Tokens

bounds = st.floats(-1e3, 1e3, width=32)
sizes = st.integers(1, 4)
boxes = st.one_of(
    st.builds(lambda n, a, b: Box((n,), min(a, b), max(a, b)), sizes, bounds, bounds),
    st.builds(lambda n: Box((n,)), sizes),
    st.builds(lambda n: Box((n, 2, 3), 0.0, 255.0, "uint8"), sizes),
    st.builds(lambda n: Box((n,), 0.0, 1.0, "int8"), sizes),
    st.just(Box((2,), (-1.0, -2.0), (0.5, 3.0))),
)
leaves = st.one_of(
    boxes,
    st.builds(Discrete, st.integers(1, 9)),
    st.builds(MultiDiscrete, st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)),
)
spaces = st.one_of(leaves, st.dictionaries(st.sampled_from("abc"), leaves, min_size=1).map(DictSpace.of))


@given(space=spaces)
def test_there_and_back_is_the_same_space(space):
    assert from_gymnasium(to_gymnasium(space)) == space


def test_float64_boxes_become_float32_and_huge_bounds_infinite():
    space = gs.Box(np.array([-1.0, -3.4028234663852886e38]), np.array([2.0, 1e300]), dtype=np.float64)
    assert from_gymnasium(space) == Box((2,), (-1.0, -np.inf), (2.0, np.inf), "float32")


def test_starts_are_kept_apart():
    space = gs.Dict(
        {"one": gs.Discrete(3, start=-1), "many": gs.MultiDiscrete([2, 3], start=[5, 0]), "box": gs.Box(0, 1, (2,))}
    )
    assert from_gymnasium(space["one"]) == Discrete(3)
    start = discrete_start(space)
    assert start["one"] == -1 and start["box"] == 0
    np.testing.assert_array_equal(start["many"], [5, 0])


@pytest.mark.parametrize(
    "space",
    [
        gs.Tuple((gs.Discrete(2),)),
        gs.Text(5),
        gs.MultiBinary(3),
        gs.Box(0, 5, (2,), np.int64),
        gs.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        gs.Dict({"inner": gs.Dict({"x": gs.Discrete(2)})}),
        gs.Dict({}),
    ],
    ids=str,
)
def test_other_spaces_are_refused_in_one_line_that_names_the_supported(space):
    with pytest.raises(SpaceError, match="supported: Box") as caught:
        from_gymnasium(space)
    assert "\n" not in str(caught.value)


def test_tokens_have_no_gymnasium_space():
    with pytest.raises(SpaceError, match="supported: Box"):
        to_gymnasium(Tokens(5, 4, 3))
