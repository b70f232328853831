"""Results as JSON: every kind of value that they hold, and what JSON has no word for."""

import json
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pilothouse.core.plain import plain
from pilothouse.statistics import Interval


class Pair(NamedTuple):
    first: float
    second: np.ndarray


@dataclass(frozen=True)
class Found:
    name: str
    inner: Pair
    interval: Interval
    secret: object


def test_every_kind_of_value_has_its_form() -> None:
    found = Found("walker", Pair(np.float32(0.5), np.array([[1, 2], [3, 4]])), Interval(-np.inf, 2.0, 0.95), object())
    told = plain(found, "secret")
    assert told == {"name": "walker", "inner": {"first": 0.5, "second": [[1, 2], [3, 4]]}, "interval": [None, 2.0]}
    assert plain({"a": (np.nan, np.bool_(True), None, "x"), 3: np.int64(7)}) == {"a": [None, True, None, "x"], "3": 7}
    assert plain({"kept": 1, "not": 2}, "not") == {"kept": 1}
    json.dumps(told, allow_nan=False)
