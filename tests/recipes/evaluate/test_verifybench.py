"""The hard part is hard: what others disagree about is judged worse than as many items drawn at random."""

import numpy as np
import pytest

from pilothouse.evaluate.benchmark import TEXT
from pilothouse.evaluate.scripted_verification import scripted_items
from pilothouse.evaluate.verification import Item
from pilothouse.evaluate.verifiers import contains, exact, number
from pilothouse.recipes.evaluate.verifybench import chosen, verifybench
from pilothouse.worlds.tasks import TextTask

ITEMS = [
    Item(TextTask("6*7?", "42"), "42", True, "number"),
    Item(TextTask("6*7?", "42"), "It is 42.", True, "number"),
    Item(TextTask("6*7?", "42"), "42, no, 43", False, "number"),
]


def test_what_is_said_of_a_users_own_verifier_and_items() -> None:
    said = verifybench().build(TEXT)(lambda task, completion: 1.0, items=ITEMS, panel=[exact, number])
    # Exact and number disagree about the second item only.
    assert said == pytest.approx(
        {"items": 3, "accuracy": 2 / 3, "refused": 0, "accepts_wrong": 1, "rejects_right": 0, "accuracy/number": 2 / 3,
         "hard/items": 1, "hard/accuracy": 1, "hard/refused": 0, "hard/rejects_right": 0, "hard/accuracy/number": 1}
    )  # fmt: skip


def test_what_others_disagree_about_is_harder_than_items_at_random() -> None:
    benchmark, held = verifybench(questions=200).build(TEXT), scripted_items(200, np.random.default_rng(5))
    drawn = np.random.default_rng(0)
    for verifier in (exact, number):
        said = benchmark(verifier, items=held)
        # Fails where the hard part is as many items drawn at random: their accuracy is that of all, within 3 deviations.
        size = int(said["hard/items"])
        accepted = np.array([verifier(item.task, item.completion) if _asked(item, verifier) else 0 for item in held])
        right = np.array([item.right for item in held])
        at_random = [(accepted == right)[drawn.choice(len(held), size, replace=False)].mean() for _ in range(100)]
        assert said["hard/accuracy"] < np.mean(at_random) - 3 * np.std(at_random)
        assert said["accuracy"] == pytest.approx((accepted == right).mean())


def _asked(item: Item, verifier: object) -> bool:
    return verifier is not number or any(sign.isdigit() for sign in item.task.answer)


def test_a_perfect_verifier_keeps_right_answers_and_the_baseline_keeps_any() -> None:
    benchmark = verifybench(questions=20).build(TEXT)
    said = benchmark(benchmark.baseline, seed=1)
    assert (said["accuracy"], said["accepts_wrong"], said["rejects_right"]) == (0.5, 0, 1)
    at_random = chosen(benchmark.baseline, np.random.default_rng(0))
    assert abs(at_random - 0.4) < 3 * np.sqrt(0.24 / 400) < chosen(contains, np.random.default_rng(0)) - at_random
