"""The world of things and kinds: where things belong, what is said, and that what is kept back is kept back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.worlds.tidy_up import KINDS, MATTERS, PLACES, TAXONOMY, THINGS, TidyUp, belongs, kinds_of
from pilothouse.worlds.timed import Timed


def test_places_by_hand() -> None:
    known = {
        ("apple", ""): "fridge", ("apple", "dirty"): "fridge", ("apple", "rotten"): "bin", ("yam", ""): "pantry",
        ("yam", "rotten"): "bin", ("sock", "dirty"): "laundry basket", ("boot", "dirty"): "shoe rack",
        ("boot", "broken"): "bin", ("mug", ""): "cupboard", ("mug", "dirty"): "dishwasher", ("kite", "dirty"): "toy box",
    }  # fmt: skip
    assert {case: belongs(*case) for case in known} == known
    assert kinds_of("yam") == ("tuber", "food", "thing")


def test_names_are_unambiguous() -> None:
    assert len({*THINGS, *TAXONOMY.values(), *MATTERS, *PLACES}) == len(THINGS) + len(set(TAXONOMY.values())) + 4 + 9


def test_steps_by_hand() -> None:
    world, key = TidyUp(told=True), jax.random.key(0)
    state = Timed.at([THINGS.index("sock"), MATTERS.index("dirty"), 1.0], 5)
    assert world.say(state) == "You hold a dirty sock."
    said = np.asarray(world._words(state.body))
    words = {name for name, x in zip(world.observation_names, said, strict=True) if x}
    assert words == {"sock", "dirty", "bottom", "clothes", "thing"}
    wrong, after = world.step(state, jnp.asarray(PLACES.index("bin")), key)
    assert after.reward == 0 and not after.terminated and (wrong.body == state.body).all() and wrong.time == 6
    right, after = world.step(state, jnp.asarray(PLACES.index("laundry basket")), key)
    assert after.reward == 1 and not after.terminated and right.body[2] == 2


@pytest.mark.parametrize("things", ["seen", "unseen"])
def test_half_of_the_things_are_kept_back(things) -> None:
    bodies = np.asarray(jax.vmap(TidyUp(things=things)._drawn)(jax.random.split(jax.random.key(1), 2000)), int)
    half = slice(0, 3) if things == "seen" else slice(3, 6)
    assert {THINGS[i] for i in bodies[:, 0]} == {name for own in KINDS.values() for name in own[half]}
    assert 0.45 < (bodies[:, 1] == 0).mean() < 0.55
    food = np.array(["food" in kinds_of(THINGS[i]) for i in bodies[:, 0]])
    assert "broken" not in {MATTERS[i] for i in bodies[food, 1]} and {*bodies[~food, 1]} == {0, 2, 3}


def test_an_unknown_half_is_refused() -> None:
    with pytest.raises(SettingError, match="expected 'seen', 'unseen' or 'all'"):
        TidyUp(things="most")
