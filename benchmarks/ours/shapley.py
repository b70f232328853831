"""Our Shapley values of a small network, exact for few features and by sampled orders for many."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import jax
import jax.numpy as jnp
import numpy as np
from protocol import serve
from shapley_network import ORDERS, ROWS, network, observations, weights

from pilothouse.explain.coalitions import attributed, attributed_traced
from pilothouse.explain.shapley import shapley_coalitions


class ShapleyWorker:
    """A unit is one observation. `traced`: the network in JAX, one program. `host`: a function of NumPy arrays."""

    def __init__(self, features: int, form: str):
        self.features, self.form = features, form
        self.layers, self.coalitions = weights(features), shapley_coalitions(features, orders=ORDERS)
        self.background = observations(features, ROWS, seed=1)
        layers = [jnp.asarray(layer) for layer in self.layers]
        self.program = jax.jit(
            lambda o, b: attributed_traced(lambda x: network(x, layers, jnp.tanh), o, b, self.coalitions)
        )

    def warm_up(self) -> None:
        self.run(8)

    def run(self, count: int) -> int:
        obs = observations(self.features, count, seed=2)
        if self.form == "traced":
            np.asarray(self.program(obs, self.background))
        else:
            attributed(lambda x: network(x, self.layers), obs, self.background, self.coalitions)
        return count

    def facts(self) -> dict[str, Any]:
        return {"form": self.form, "coalitions": len(self.coalitions.known), "background": ROWS}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--form", choices=["traced", "host"], default="traced")
    options = parser.parse_args()
    serve(lambda: ShapleyWorker(options.features, options.form), "pilothouse", "jax", "numpy")
