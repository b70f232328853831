"""shap's Shapley values of a small network in NumPy: its exact explainer for few features, permutations for many."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import shap
from protocol import serve
from shapley_network import ORDERS, ROWS, network, observations, weights


class ShapWorker:
    """A unit is one observation. A permutation of shap's is walked forwards and back, as an order and its reverse."""

    def __init__(self, features: int):
        self.features, self.layers = features, weights(features)
        masker = shap.maskers.Independent(observations(features, ROWS, seed=1), max_samples=ROWS)
        kind = shap.explainers.Exact if features <= 10 else shap.explainers.Permutation
        self.explainer = kind(lambda x: network(x, self.layers), masker)
        self.limits = {} if features <= 10 else {"max_evals": ORDERS * (2 * features + 1)}

    def warm_up(self) -> None:
        self.run(2)

    def run(self, count: int) -> int:
        self.explainer(observations(self.features, count, seed=2), silent=True, **self.limits)
        return count

    def facts(self) -> dict[str, Any]:
        return {"explainer": type(self.explainer).__name__, "background": ROWS, **self.limits}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, default=8)
    options = parser.parse_args()
    serve(lambda: ShapWorker(options.features), "shap", "numpy", "numba")
