"""Compares our losses and gradients with the peers', on the same weights, batch and draws: `results/losses.json`.

    python benchmarks/losses/run.py [METHOD …]
    python benchmarks/losses/run.py --oracles     # also write the small cases again that the tests read

Each peer runs its own update in its own environment; see `peer_*.py`. The bound is 1e-5 of the greatest entry of each
loss and of each leaf of each gradient, in float32.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from environments import FOLDER, python_of  # noqa: E402

os.environ.setdefault("JAX_PLATFORMS", "cpu")

PEERS = {
    "sac": ("sb3", "Stable-Baselines3", "stable-baselines3"),
    "td3": ("sb3", "Stable-Baselines3", "stable-baselines3"),
    "ppo": ("sb3", "Stable-Baselines3", "stable-baselines3"),
    "iql": ("d3rlpy", "d3rlpy", "d3rlpy"),
    "td3bc": ("d3rlpy", "d3rlpy", "d3rlpy"),
    "decision-transformer": ("d3rlpy", "d3rlpy", "d3rlpy"),
    "awac": ("d3rlpy", "d3rlpy", "d3rlpy"),
    "cql": ("d3rlpy", "d3rlpy", "d3rlpy"),
    "grpo": ("trl", "TRL", "trl"),
}
BOUND = 1e-5
ORACLES = HERE.parents[1] / "tests" / "oracles"
RESULTS = HERE.parent / "results" / "losses.json"


def peer_arrays(method: str, size: str) -> Path:
    """Runs the peer's script and returns the file that it wrote."""
    environment, _, _ = PEERS[method]
    file = FOLDER / "losses" / f"{method}-{size}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python_of(environment)), str(HERE / f"peer_{environment}.py"), method, size, str(file)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER, env=clean)
    if done.returncode:
        raise RuntimeError(f"{method} at size {size}: {done.stderr.strip().splitlines()[-1]}")
    return file


def version_of(environment: str, package: str) -> str:
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([str(python_of(environment)), "-c", ask], capture_output=True, text=True).stdout.strip()


def compared(method: str, oracles: bool) -> dict[str, Any]:
    """One method's entry: the greatest relative difference of each loss and gradient, at both sizes."""
    from compare import CONVENTIONS, compare
    from sizes import SIZES

    environment, shown, package = PEERS[method]
    entry: dict[str, Any] = {"peer": shown, "version": version_of(environment, package), "sizes": {}}
    for size in SIZES:
        file = peer_arrays(method, size)
        if oracles and size == "tiny":
            shutil.copyfile(file, ORACLES / f"peer_{method}.npz")
        given = dict(np.load(file))
        found = compare(method, given)
        worst = max(found, key=lambda name: found[name])
        losses = {name.removeprefix("loss/"): float(x) for name, x in given.items() if name.startswith("loss/")}
        entry["sizes"][size] = {
            "greatest_difference": found[worst],
            "where": worst,
            "loss_differences": {name: x for name, x in found.items() if "gradient" not in name},
            "peer_losses": losses,
            "equal": found[worst] <= BOUND,
        }
        if guarded := {n.removeprefix("guarded_loss/"): float(x) for n, x in given.items() if n.startswith("guarded")}:
            entry["sizes"][size]["peer_losses_as_it_ships"] = guarded
        print(f"{method} beside {shown}, {size}: at most {found[worst]:.1e} of the peer's ({worst})")
    return entry | {"conventions": CONVENTIONS[method]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares our losses and gradients with the peers'.")
    parser.add_argument("method", nargs="*", help=f"all if none is given: {', '.join(PEERS)}")
    parser.add_argument("--oracles", action="store_true", help="write the small cases under tests/oracles/ again")
    options = parser.parse_args()
    if unknown := [name for name in options.method if name not in PEERS]:
        print(f"error: no method {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"bound": BOUND, "dtype": "float32"}
    methods = results.setdefault("methods", {})
    for method in options.method or PEERS:
        methods[method] = compared(method, options.oracles)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0 if all(size["equal"] for entry in methods.values() for size in entry["sizes"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
