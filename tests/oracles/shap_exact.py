"""Makes shap_exact.json: what shap 0.51.0's exact explainer answers to the small networks written beside the answers.

Run by `make oracles`, in an environment of its own (shap pulls numba):

    python3 -m venv .bench/shap && .bench/shap/bin/pip install shap==0.51.0
    .bench/shap/bin/python tests/oracles/shap_exact.py
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import shap

SIZES = {"three": (3, 4, 2), "six": (6, 5, 1), "ten": (10, 6, 3)}
"""Features, hidden units and outputs of each network."""


def case(name: str, features: int, hidden: int, outputs: int) -> dict:
    generator = np.random.default_rng(features)
    shapes = {"inner": (features, hidden), "shift": (hidden,), "outer": (hidden, outputs)}
    given = {key: np.round(generator.normal(size=shape), 6) for key, shape in shapes.items()}
    obs, background = (np.round(generator.normal(size=(rows, features)), 6) for rows in (4, 7))

    def network(x: np.ndarray) -> np.ndarray:
        return np.tanh(x @ given["inner"] + given["shift"]) @ given["outer"]

    explainer = shap.explainers.Exact(network, shap.maskers.Independent(background, max_samples=len(background)))
    values = explainer(obs).values.reshape(len(obs), features, outputs)
    document = {"name": name, "obs": obs, "background": background, **given, "values": values}
    return {key: x.tolist() if isinstance(x, np.ndarray) else x for key, x in document.items()}


def main() -> None:
    cases = [case(name, *sizes) for name, sizes in SIZES.items()]
    versions = {"python": platform.python_version(), **{name: version(name) for name in ("shap", "numpy", "numba")}}
    Path(__file__).with_suffix(".json").write_text(json.dumps({"versions": versions, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
