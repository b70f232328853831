"""The mechanism: what was inferred behind the screen explains what is seen, so that only the impossible surprises."""

import numpy as np

from pilothouse.evaluate.scripted_screens import hurried, scenes
from pilothouse.explain.occlusion import learn_occlusion


def test_who_explains_tells_the_impossible_from_the_unforeseeable() -> None:
    # Fails where surprise is that of who only foresees: a wall that nobody could know of surprises as much as what cannot be.
    draws = np.random.default_rng(0)
    model, rows = learn_occlusion(scenes(1500, draws), width=48, updates=60), scenes(200, draws)
    possible, impossible = model.surprise(rows), model.surprise(hurried(rows, draws))
    explained = (impossible.explained > possible.explained).mean()
    foreseen = (impossible.foreseen > possible.foreseen).mean()
    assert explained > 0.9 and explained > foreseen + 0.2
