"""Makes rliable.json: what rliable 1.2.0 answers to the inputs written beside the answers.

Run by `make oracles`, in an environment of its own (rliable pulls arch and pandas):

    python3 -m venv .bench/rliable && .bench/rliable/bin/pip install rliable==1.2.0 "pandas<3"
    .bench/rliable/bin/python tests/oracles/rliable.py
"""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

# This file bears the name of the package that it asks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np  # noqa: E402
from rliable import library, metrics  # noqa: E402

RESAMPLES = 50_000
POINTS = {
    "interquartile_mean": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median_of_task_means": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def cases() -> dict[str, dict[str, np.ndarray]]:
    """Scores [run, task] of two methods, rounded so that JSON holds them exactly."""
    generator = np.random.default_rng(0)
    normal = generator.normal(0.8, 0.3, (10, 4)), generator.normal(0.7, 0.4, (8, 4))
    skewed = generator.exponential(1.0, (12, 3)), generator.exponential(1.3, (12, 3))
    tied = generator.integers(0, 4, (9, 5)) / 4.0, generator.integers(0, 4, (7, 5)) / 4.0
    single = generator.normal(0.0, 1.0, (6, 1)), generator.normal(0.5, 1.0, (6, 1))
    named = {"normal": normal, "skewed": skewed, "tied": tied, "single_task": single}
    return {name: {"x": np.round(x, 6), "y": np.round(y, 6)} for name, (x, y) in named.items()}


def interval(scores: np.ndarray | list[np.ndarray], function) -> list[float]:
    # `random_state=` is not what rliable draws from; it draws from NumPy's global generator.
    np.random.seed(0)
    _, intervals = library.get_interval_estimates(
        {"x": scores}, lambda *arrays: np.array([function(*arrays)]), reps=RESAMPLES
    )
    return intervals["x"].ravel().tolist()


def answers(x: np.ndarray, y: np.ndarray) -> dict:
    points = {name: float(function(x)) for name, function in POINTS.items()}
    intervals = {name: interval(x, function) for name, function in POINTS.items() if name != "median_of_task_means"}
    points["probability_of_improvement"] = float(metrics.probability_of_improvement(x, y))
    intervals["probability_of_improvement"] = interval([x, y], metrics.probability_of_improvement)
    return {"points": points, "intervals": intervals}


def main() -> None:
    found = [{"name": n, "x": c["x"].tolist(), "y": c["y"].tolist(), **answers(**c)} for n, c in cases().items()]
    packages = {name: version(name) for name in ("rliable", "arch", "pandas", "numpy", "scipy")}
    versions = {"python": platform.python_version(), **packages}
    document = {"versions": versions, "resamples": RESAMPLES, "level": 0.95, "cases": found}
    Path(__file__).with_suffix(".json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
