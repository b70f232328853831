"""VerifyBench: how far a verifier that is given the reference answer tells right completions from wrong ones.

Items are a question, its reference answer, a completion and whether that is right. Half of the first part is right; the
hard part holds the items over which a panel of verifiers disagrees. A verifier is marked by its accuracy on both, in all
and by kind of answer, and by which way it errs: what it accepts wrongly teaches wrong answers, what it rejects wrongly
teaches nothing.

Source: Yan et al., "VerifyBench: Benchmarking Reference-based Reward Systems for Large Language Models",
arXiv:2505.15801.
Departures: 1. In place of completions of large models that people labelled, questions and completions come from
templates whose worth is known; other items are read from a file (`evaluate/verification.py`). 2. The panel that finds the
hard part is of rules, here the built-in verifiers, where the paper's is of large models. 3. A verifier that refuses an
item rejects its completion, and the share is told.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.benchmark import TEXT, Benchmark
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, less
from pilothouse.evaluate.scripted_verification import KINDS, question, scripted_items
from pilothouse.evaluate.verification import Item, Verdicts, contested, marks, verdicts
from pilothouse.evaluate.verifiers import VERIFIERS, Verifier
from pilothouse.worlds.tasks import TextTask

PANEL: Mapping[str, Verifier] = {name: VERIFIERS[name] for name in ("exact", "contains", "number")}
"""Those that need no other library."""


def rejects_all(task: TextTask, completion: str) -> float:
    return 0.0


@recipe("verifybench", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def verifybench(spec: Spec, *, questions: Count = 400) -> Benchmark:
    del spec  # texts of any tokens

    def examine(
        verifier: Verifier,
        *,
        seed: int = 0,
        items: Sequence[Item] | None = None,
        panel: Sequence[Verifier] | None = None,
    ) -> Mapping[str, float | int]:
        """`items` in place of ours; the `panel` that finds the hard ones is by default the built-in verifiers but this one."""
        held = scripted_items(questions, np.random.default_rng(seed)) if items is None else list(items)
        others = [one for one in PANEL.values() if one is not verifier] if panel is None else panel
        said, hard = verdicts(verifier, held), contested(others, held)
        found: dict[str, float | int] = {"items": len(held), **marks(said, held), "hard/items": int(hard.sum())}
        if hard.any():
            there = [item for item, is_hard in zip(held, hard, strict=True) if is_hard]
            found |= {f"hard/{name}": value for name, value in marks(Verdicts(*(x[hard] for x in said)), there).items()}
        return found

    return Benchmark(examine, rejects_all)


QUESTIONS, TRIES, RIGHT = 400, 6, 0.4


def chosen(verifier: Verifier, generator: np.random.Generator) -> float:
    """The share of questions of which a completion was kept that is truly right: any of six that the verifier accepts, and
    any at all where it accepts none."""
    kept = []
    for number in range(QUESTIONS):
        task, write = question(tuple(KINDS)[number % len(KINDS)], generator)
        right = generator.random(TRIES) < RIGHT
        tries = [Item(task, write(bool(one)), bool(one)) for one in right]
        accepted = verdicts(verifier, tries).accepted
        kept.append(bool(right[generator.choice(np.flatnonzero(accepted) if accepted.any() else TRIES)]))
    return float(np.mean(kept))


def one_seed(seed: int) -> dict[str, float]:
    """Every verifier of the panel on the benchmark, and what is kept by those that come out best and worst on it."""
    held = verifybench(questions=QUESTIONS).build(TEXT)
    found: dict[str, float] = {"well": 0.95}
    for name, verifier in PANEL.items():
        said = held(verifier, seed=seed)
        found |= {f"{name}, balanced": said["accuracy"], f"{name}, hard": said["hard/accuracy"]}
    ranked = sorted(PANEL, key=lambda name: found[f"{name}, balanced"])
    found["best, balanced"] = found[f"{ranked[-1]}, balanced"]
    for place, name in (("worst", ranked[0]), ("best", ranked[-1])):
        found[f"kept by the {place}"] = chosen(PANEL[name], np.random.default_rng([seed, 1]))
    return found


def measure(seeds: Sequence[int]) -> Measured:
    """Shares of items judged rightly, and of kept completions that are right; other questions each seed."""
    found = [one_seed(seed) for seed in seeds]
    return Measured({name: np.array([one[name] for one in found]) for name in found[0]})


CLAIM = Claim(
    recipe="verifybench",
    statement=(
        "Simple verifiers err often even with the reference before them, and more often on the items that others disagree "
        "about; and of answers that a verifier let through, more are right if it did better on the benchmark."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        less("best, balanced", "well"),
        *(less(f"{name}, hard", f"{name}, balanced") for name in PANEL),
        greater("kept by the best", "kept by the worst"),
    ),
    unit={
        **{f"{name}, {part}": "share of items judged rightly" for name in PANEL for part in ("balanced", "hard")},
        **{arm: "share of items judged rightly" for arm in ("best, balanced", "well")},
        **{f"kept by the {place}": "share of kept completions that are right" for place in ("best", "worst")},
    },
    settings={
        "questions": QUESTIONS,
        "panel": "exact, contains, number; the hard part of each is what the two others disagree about",
        "kept": f"one of {TRIES} completions, {RIGHT:.0%} of them right, that the verifier accepts; else any",
    },
    tried={name: ["as it stands"] for name in PANEL},
    seeds=12,
    notes=(
        "Templates of four kinds of answer in place of completions of large models that people labelled; verifiers are "
        "rules, where the paper's best are large models. `number` refuses answers without a number. Which verifier is best "
        "and worst is decided on each seed's benchmark, and what is kept is drawn from other questions. Keeping accepted "
        "answers stands for training on them. Nothing was tuned; seeds 0 to 3 were looked at before."
    ),
)
