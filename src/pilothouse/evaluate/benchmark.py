"""`Benchmark`: what recipes return that hold tasks with known answers, and put whatever is given to the test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.core.spaces import Discrete, Spec, Tokens

TEXT = Spec(Discrete(2**18), Tokens(vocabulary=2**18, longest=2**12, prompt=2**15))
"""Text in, text out, whatever its tokens: what benchmarks of text are built for, which no world stands behind."""


@dataclass(frozen=True)
class Benchmark:
    """`benchmark(subject, seed=0, …) -> {name: number}`; what the subject is (a verifier, a forecaster, a judge, a family
    of models), and what else may be given, the recipe's module says.

    `baseline` is a subject that has learned nothing: what a score is to be held against. The same subject, tasks and
    seed give the same numbers.
    """

    examine: Callable[..., Mapping[str, float | int]]
    baseline: Any

    def __call__(self, subject: Any, *, seed: int = 0, **about: Any) -> Mapping[str, float | int]:
        return self.examine(subject, seed=seed, **about)
