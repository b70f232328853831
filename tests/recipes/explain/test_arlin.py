"""The mechanism: what goes on inside the policy shows where it will end; what is observed alone does not."""

import numpy as np
import pytest

from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.clusters import Embedding, study_clusters
from pilothouse.explain.watched import Watched
from pilothouse.recipes.explain.arlin import arlin, ends_soon, lowest, precision

SPEC = Spec(Box((2,)), Discrete(2))


def hazards(episodes: int = 80, length: int = 40, seed: int = 0) -> tuple[Watched, np.ndarray]:
    """Half of the episodes terminate eight steps after an alarm that only the latents show; observations are noise."""
    rng = np.random.default_rng(seed)
    alarm = np.where(rng.random(episodes) < 0.5, rng.integers(4, length - 10, episodes), length)
    lengths = np.minimum(alarm + 8, length)
    episode, step = np.repeat(np.arange(episodes), lengths), np.concatenate([np.arange(n) for n in lengths])
    alarmed = step >= alarm[episode]
    over = (step == lengths[episode] - 1) & alarmed
    obs = rng.normal(size=(len(step), 2)).astype(np.float32)
    latent = np.c_[alarmed * 4.0, np.zeros((len(step), 2))] + 0.3 * rng.normal(size=(len(step), 3))
    cut = (step == lengths[episode] - 1) & ~alarmed
    seen = Watched(
        SPEC, ("a", "b"), obs, rng.integers(0, 2, len(step)), np.ones(len(step)), obs, over, cut, episode, step,
        {"latent": latent},
    )  # fmt: skip
    return seen, alarmed


@pytest.fixture(scope="module")
def watched():
    return hazards()


def test_flagged_clusters_are_where_the_alarm_is(watched) -> None:
    seen, alarmed = watched
    graph = arlin(clusters=12).build(SPEC)(None, seen)
    flagged = np.isin(graph.label, graph.flagged("danger"))
    assert precision(flagged, alarmed) > 0.9 and flagged[alarmed].mean() > 0.4
    later, truth = hazards(seed=1)
    assert precision(np.isin(graph.clustering.assign(later), graph.flagged("danger")), truth) > 0.9


def test_clusters_of_observations_do_not_know_of_it(watched) -> None:
    seen, alarmed = watched
    graph = study_clusters(seen, number=12, embedding=Embedding("observation", lambda one: one.obs))
    assert precision(np.isin(graph.label, graph.flagged("danger")), alarmed) < 0.3


def test_what_ends_soon_by_hand() -> None:
    seen, _ = hazards(episodes=2, length=30, seed=3)
    twin = []
    for row in range(len(seen)):
        ahead = [i for i in range(row, min(row + 20, len(seen))) if seen.episode[i] == seen.episode[row]]
        twin.append(any(seen.terminated[i] for i in ahead))
    np.testing.assert_array_equal(ends_soon(seen), twin)
    np.testing.assert_array_equal(lowest(np.array([3.0, 1.0, 2.0, 1.0]), 2), [False, True, False, True])
    assert precision(np.array([True, True, False]), np.array([True, False, False])) == 0.5
    assert precision(np.zeros(3, bool), np.array([True, False, False])) == pytest.approx(1 / 3)
