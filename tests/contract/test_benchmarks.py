"""The contract of recipes that put a subject to the test: finite numbers of their baseline, the same each time."""

import numpy as np
import pytest
from toys import made, small, source_for

from pilothouse.evaluate.benchmark import TEXT, Benchmark


@pytest.mark.parametrize("name", made("Benchmark"))
def test_a_benchmark_says_the_same_finite_numbers_of_its_baseline_each_time(name: str) -> None:
    bound = small(name)
    text = bound.recipe.takes is not None and bound.recipe.takes.source == "text"
    benchmark = bound.build(TEXT if text else source_for(bound.recipe).spec)
    assert isinstance(benchmark, Benchmark)
    said = benchmark(benchmark.baseline, seed=3)
    assert said and all(np.isfinite(value) for value in said.values())
    assert said == benchmark(benchmark.baseline, seed=3)
