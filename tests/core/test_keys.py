"""Draws have names and addresses: equal ones agree, different ones do not."""

import itertools

import jax
import numpy as np

from pilothouse.core.keys import at, named

KEY = jax.random.key(7)


def numbers(key: jax.Array) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_equal_names_share_a_draw_and_others_do_not() -> None:
    names = ["next action", "target noise", "dropout", "plan", "take", "loss", ""]
    found = [numbers(named(KEY, name)) for name in names]
    assert found == [numbers(named(KEY, name)) for name in names]
    assert len(set(found)) == len(names) and numbers(KEY) not in found
    assert numbers(named(jax.random.key(8), "plan")) != numbers(named(KEY, "plan"))


def test_an_address_is_its_numbers_in_their_order() -> None:
    found = {numbers(at(KEY, *address)) for address in itertools.product(range(4), repeat=3)}
    assert len(found) == 64
    assert numbers(at(KEY, 1, 2)) == numbers(at(at(KEY, 1), 2)) and numbers(at(KEY)) == numbers(KEY)


def test_a_traced_address_is_the_same_address() -> None:
    traced = jax.jit(lambda cycle: at(named(KEY, "x"), cycle, 3))(np.int32(5))
    assert numbers(traced) == numbers(at(named(KEY, "x"), 5, 3))
