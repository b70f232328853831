"""Surprise by hand."""

import numpy as np
import pytest

from pilothouse.explain.expectation import more_surprised, surprise


def test_surprise_is_where_it_was_greatest_in_the_last_frames() -> None:
    # Errors of the frames: (9 + 1) / 2 = 5, (0 + 4) / 2 = 2 and (1 + 0) / 2 = 0.5; the last two of them count.
    foretold = np.array([[[3.0, 1.0], [0.0, 2.0], [1.0, 0.0]]])
    assert surprise(foretold, np.zeros((1, 3, 2)), last=2) == pytest.approx([2.0])
    assert surprise(foretold, np.zeros((1, 3, 2)), last=3) == pytest.approx([5.0])


def test_the_unexpected_is_to_surprise_more_and_a_tie_is_half_a_pair() -> None:
    unexpected, expected = np.array([3.0, 1.0, 2.0, 5.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert more_surprised(unexpected, expected) == pytest.approx(2.5 / 4)
    assert more_surprised(expected, unexpected) == pytest.approx(1.5 / 4)
