"""State graphs: a chain whose matrix is known is found again, and nothing is found where there is nothing."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.clusters import (
    ends_within,
    failures,
    fit_clusters,
    likeliest_path,
    log_likelihood,
    study_clusters,
    transition_counts,
    transition_shares,
)
from pilothouse.explain.watched import Watched

PLACES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
CHAIN = np.array([[0.6, 0.3, 0.1, 0.0], [0.0, 0.5, 0.5, 0.0], [0.2, 0.0, 0.5, 0.3]])
"""Rows: from; the last column: termination, which only the third place knows."""


def watched(states: list[list[int]], ended: list[bool], reward=None, noise: float = 0.5, seed: int = 0) -> Watched:
    rng = np.random.default_rng(seed)
    place = np.concatenate([np.array(one) for one in states])
    obs = (PLACES[place] + noise * rng.normal(size=(len(place), 2))).astype(np.float32)
    episode = np.concatenate([np.full(len(one), i) for i, one in enumerate(states)])
    last = np.concatenate([np.arange(len(one)) == len(one) - 1 for one in states])
    over = np.array(ended)[episode] & last
    return Watched(
        spec=Spec(Box((2,)), Discrete(2)),
        names=("east", "north"),
        obs=obs,
        action=(place == 1).astype(np.int32),
        reward=np.ones(len(place)) if reward is None else np.asarray(reward, float)[place],
        next_obs=obs,
        terminated=over,
        truncated=last & ~over,
        episode=episode,
        step=np.concatenate([np.arange(len(one)) for one in states]),
        extras={"place": place},
    )


def chains(episodes: int, longest: int = 60) -> Watched:
    rng, found, ended = np.random.default_rng(5), [], []
    for _ in range(episodes):
        states = [0]
        while len(states) < longest and (following := rng.choice(4, p=CHAIN[states[-1]])) != 3:
            states.append(int(following))
        found.append(states)
        ended.append(len(states) < longest)
    return watched(found, ended)


@pytest.fixture(scope="module")
def chain():
    return chains(300)


@pytest.fixture(scope="module")
def graph(chain):
    return study_clusters(chain, seed=0)


def order(graph, chain) -> list[int]:
    """The cluster that each place became."""
    return [int(np.bincount(graph.label[chain.extras["place"] == one]).argmax()) for one in range(3)]


def test_a_chain_and_its_matrix_are_recovered(chain, graph) -> None:
    assert len(graph.clusters) == 3 and graph.stability == pytest.approx(1.0)
    mine = order(graph, chain)
    found = graph.transitions[np.ix_(mine, [*mine, 3])]
    rows = graph.counts.sum(axis=1)[mine]
    np.testing.assert_allclose(found, CHAIN, atol=4 * 0.5 / np.sqrt(rows.min()))  # four standard errors of a share


def test_it_foretells_what_order_alone_does_not(chain, graph) -> None:
    # Nats a transition under the chain's own matrix: no graph foretells better but by luck.
    counts = transition_counts(chain.extras["place"], chain, 3)
    best = log_likelihood(counts, CHAIN)
    assert graph.log_likelihood == pytest.approx(best, abs=0.08)
    assert graph.sanity_passed and graph.fidelity > 0.2 and graph.fidelity_of_moves > 0.2
    mixed = chain.rows(np.arange(len(chain)))
    mixed = Watched(**{**mixed.__dict__, "obs": np.random.default_rng(0).permutation(chain.obs)})
    nothing = study_clusters(mixed, number=3)
    assert not nothing.sanity_passed and abs(nothing.fidelity) < 0.03 and nothing.stability > 0.9


def test_clusters_say_what_happens_in_them(chain, graph) -> None:
    first, second, third = (graph.clusters[one] for one in order(graph, chain))
    assert first.starts == 1.0 and first.flags[0] == "start" and third.terminates == pytest.approx(0.3, abs=0.05)
    assert second.terminates == 0.0 and second.spread == 0.0
    assert second.features["east"] > 1 > second.features["north"]
    assert first.share + second.share + third.share == pytest.approx(1.0)
    assert graph.as_json()["clusters"][0]["flags"] == list(graph.clusters[0].flags)


def test_episodes_that_go_badly_flag_where_they_went() -> None:
    rng = np.random.default_rng(1)
    states = [[0, 0, 0, 1, 1] if lucky else [0, 0, 0, 2, 2] for lucky in rng.random(60) < 0.8]
    seen = watched(states, [True] * 60, reward=[0.0, 1.0, -1.0])
    graph = study_clusters(seen, number=3, failed=seen.returns < 0)
    mine = order(graph, seen)
    assert graph.flagged("failing") == [mine[2]]
    assert graph.clusters[mine[2]].fails == 1.0 and graph.failing_path == (mine[0], mine[2])
    # A spread over what follows, termination (nothing to come) among it.
    shares, ahead = graph.transitions[mine[0]], [*(one.to_come for one in graph.clusters), 0.0]
    by_hand = np.sqrt(sum(p * (x - sum(shares * ahead)) ** 2 for p, x in zip(shares, ahead, strict=True)))
    assert graph.clusters[mine[0]].stakes == pytest.approx(by_hand)


def test_transitions_are_counted_within_episodes_only() -> None:
    seen = watched([[0, 0, 1], [1, 2]], [True, False])
    counts = transition_counts(seen.extras["place"], seen, 3)
    # 0-0, 0-1, 1-2; the first episode terminated in 1; the second was cut in 2.
    np.testing.assert_array_equal(counts, [[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    gap = seen.rows(np.array([True, False, True, True, True]))  # a row is missing: no transition is made up
    np.testing.assert_array_equal(
        transition_counts(gap.extras["place"], gap, 3), [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
    )
    np.testing.assert_allclose(transition_shares(counts, prior=1.0)[0], [2 / 6, 2 / 6, 1 / 6, 1 / 6])


def test_the_likeliest_path_by_hand() -> None:
    # Leaving 0: to 1 with 0.75 and to 2 with 0.25; 1 goes to 2 with 0.4 or ends; 2 ends. Staying does not count.
    shares = np.array([[0.6, 0.3, 0.1, 0.0], [0.0, 0.5, 0.2, 0.3], [0.0, 0.0, 0.5, 0.5]])
    path, likely = likeliest_path(shares, 0, 2)
    assert path == [0, 1, 2] and likely == pytest.approx(0.3)  # against 0.25 straight
    assert likeliest_path(shares, 0, 3)[0] == [0, 1, 3]  # 0.45, against 0.3 and 0.25 by way of 2
    assert likeliest_path(shares, 2, 0) == ([], 0.0) and likeliest_path(shares, 1, 1) == ([1], 1.0)


def test_the_chance_to_end_by_hand() -> None:
    # From the second: at once with 0.5, else it stays: 0.5, then 0.75. From the first only by way of the second.
    shares = np.array([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(ends_within(shares, 1), [0.0, 0.5])
    np.testing.assert_allclose(ends_within(shares, 3), [0.75, 0.875])


def test_likelihood_and_failures_by_hand() -> None:
    assert log_likelihood(np.array([[1.0, 3.0]]), np.array([[0.5, 0.25]])) == pytest.approx(
        (np.log(0.5) + 3 * np.log(0.25)) / 4
    )
    seen = watched([[0], [0, 0], [0] * 3, [0] * 4, [0] * 5], [True] * 5)
    np.testing.assert_array_equal(failures(seen), [True, True, False, False, False])
    assert not failures(watched([[0, 0]] * 4, [True] * 4)).any()


def test_where_nothing_differs_it_says_so() -> None:
    with pytest.raises(DataError, match="different steps"):
        fit_clusters(watched([[0] * 9, [0] * 9], [False] * 2, noise=0.0))
