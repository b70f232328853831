"""Makes open_bandit.json: what Open Bandit Pipeline 0.4.1 answers on the real log that its wheel carries.

In an environment of its own (obp needs older pandas and numpy, and imports torch):

    python3 -m venv .bench/obp
    .bench/obp/bin/pip install "numpy<2" "pandas<2" "scikit-learn<1.3" "scipy<1.12" "matplotlib<3.9"
    .bench/obp/bin/pip install "seaborn<0.13.3" "pingouin<0.5.4" pyyaml tqdm mypy_extensions torch==2.13.0
    .bench/obp/bin/pip install --no-deps obp==0.4.1
    .bench/obp/bin/python tests/oracles/open_bandit.py

The log: the first rows of the `bts` behaviour, campaign `all`, of ZOZOTOWN's recommendations: 80 items, clicks.
"""

import json
import platform
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from obp.ope import estimators

ROWS, ITEMS = 1500, 80
MOST = (0.5, 2.0, 10.0)


def log() -> dict[str, np.ndarray]:
    table = pd.read_csv(Path(str(files("obp"))) / "dataset/obd/bts/all/all.csv", index_col=0)
    table = table.sort_values("timestamp", kind="stable").iloc[:ROWS]
    return {
        "action": table["item_id"].to_numpy(int),
        "reward": table["click"].to_numpy(float),
        "pscore": np.round(table["propensity_score"].to_numpy(float), 8),
    }


def main() -> None:
    data = log()
    # A model of clicks by item, and a target policy that follows it softly; both rounded, so that JSON holds them.
    generator = np.random.default_rng(0)
    model = np.round(0.003 + 0.01 * generator.random(ITEMS), 6)
    raw = np.exp(100 * model)
    target = np.round(raw / raw.sum(), 6)
    target[0] += 1 - target.sum()
    given = {
        **data,
        "action_dist": np.broadcast_to(target[None, :, None], (ROWS, ITEMS, 1)),
        "position": np.zeros(ROWS, int),
    }
    modelled = {**given, "estimated_rewards_by_reg_model": np.broadcast_to(model[None, :, None], (ROWS, ITEMS, 1))}
    answers = {
        "trajectory_importance": estimators.InverseProbabilityWeighting().estimate_policy_value(**given),
        "trajectory_importance normalised": estimators.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(
            **given
        ),
        "direct_method": estimators.DirectMethod().estimate_policy_value(**modelled),
        "doubly_robust": estimators.DoublyRobust().estimate_policy_value(**modelled),
        "doubly_robust normalised": estimators.SelfNormalizedDoublyRobust().estimate_policy_value(**modelled),
        **{
            f"switch {most}": estimators.SwitchDoublyRobust(tau=most).estimate_policy_value(**modelled) for most in MOST
        },
    }
    packages = {name: version(name) for name in ("obp", "numpy", "pandas", "torch")}
    document = {
        "versions": {"python": platform.python_version(), **packages},
        "inputs": {name: values.tolist() for name, values in {**data, "target": target, "model": model}.items()},
        "answers": {name: float(value) for name, value in answers.items()},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
