"""The answer: a winner, a tie, a single method, and none, from made-up results."""

import numpy as np
import pytest

from pilothouse.evaluate.bandit_tuning import tune_by_bandit
from pilothouse.evaluate.recommendation import Candidate, recommend


def around(mean: float, seed: int, seeds: int = 5) -> np.ndarray:
    return mean + np.random.default_rng(seed).normal(0, 1, (seeds, 10))


def test_a_clear_winner() -> None:
    found = recommend([Candidate("bc", around(0, 0)), Candidate("iql", around(9, 1))], place="Hopper-v5")
    assert (found.recipe, found.tie, found.basis, found.order) == ("iql", (), "returns", ("iql", "bc"))
    assert found.confidence == 1.0
    assert found.sentence.startswith("Use iql: in Hopper-v5") and "ahead of bc" in found.sentence


def test_a_tie_is_called_a_tie_and_leaves_out_who_is_behind() -> None:
    candidates = [Candidate("bc", around(-9, 0)), Candidate("iql", around(0.0, 1)), Candidate("td3bc", around(0.1, 2))]
    found = recommend(candidates, place="here")
    assert found.recipe is None and set(found.tie) == {"iql", "td3bc"} and found.tie[0] == found.order[0]
    assert " tie: " in found.sentence and "bc is behind" in found.sentence
    assert found.confidence == 1.0


def test_one_seed_shows_nothing() -> None:
    found = recommend([Candidate("bc", around(0, 0, 1)), Candidate("iql", around(9, 1, 1))], place="here")
    assert found.recipe is None and found.tie == ("iql", "bc") and "one seed cannot tell" in found.sentence


def test_a_method_alone_and_one_that_diverged() -> None:
    found = recommend([Candidate("bc", around(0, 0)), Candidate("iql", around(9, 1), broken="every seed diverged")])
    assert found.recipe == "bc" and "only one that could be judged" in found.sentence


def test_without_an_environment_only_trusted_estimates_count() -> None:
    doubted = Candidate("td3bc", values=around(99, 0), doubts=["", "it leaves the data in 60% of states", "", "", ""])
    assert doubted.doubt == "it leaves the data in 60% of states (1 of 5 seeds)"
    sound = [
        Candidate("iql", values=around(3, 1), doubts=[""] * 5),
        Candidate("bc", values=around(0, 2), doubts=[""] * 5),
    ]
    found = recommend([doubted, *sound])
    assert found.recipe == "iql" and found.basis == "estimates" and "td3bc" not in found.order


def test_none_says_why_and_what_would_settle_it() -> None:
    lost = Candidate("td3bc", values=around(9, 0), doubts=["it leaves the data in 60% of states"] * 5)
    broken = Candidate("iql", values=np.full((5, 3), np.nan), doubts=["the fit diverged"] * 5)
    found = recommend([lost, broken], known_place="Hopper-v5")
    assert found.recipe is None and found.tie == () and found.confidence is None and found.basis == "nothing"
    for words in ("None: ", "td3bc: it leaves the data", "iql: the fit diverged", "--env Hopper-v5", "would settle it"):
        assert words in found.sentence
    assert recommend([Candidate("bc", broken="every seed diverged")]).sentence.startswith("None: no method learned")


@pytest.mark.parametrize(("gap", "tie"), [(50.0, ()), (0.0, ("a", "b"))])
def test_tuned_methods_are_compared_by_their_trials(gap: float, tie: tuple[str, ...]) -> None:
    pools = [around(gap, 0, 6), around(0, 0, 6)]
    a, b = (Candidate(n, p[:2], tune_by_bandit(p, episodes=20)) for n, p in zip("ab", pools, strict=True))
    found = recommend([a, b], place="here")
    assert set(found.tie) == set(tie)
    assert tie or (found.recipe == "a" and "tuned on 20 episodes" in found.sentence)
