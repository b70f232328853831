"""Our side of the parity of returns: learns one seed, or records the dataset, and writes the actor's dense layers.

ours/parity.py learn METHOD SEED STEPS FOLDER FILE
ours/parity.py record STEPS FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import BATCH, WIDTHS

ENVIRONMENT = "HalfCheetah-v5"
SETTINGS = {"batch": BATCH, "width": WIDTHS[0], "depth": len(WIDTHS)}
RECORDER = 100
"""The seed of the run that the data come from: none of those compared."""


def learn(method: str, seed: int, steps: int, folder: Path, file: Path) -> None:
    import pilothouse
    from pilothouse.train.resolve import data_source, environment_source
    from pilothouse.train.session import learn as learn_in_memory

    online = method == "sac"
    source = environment_source(ENVIRONMENT) if online else data_source(folder / "halfcheetah-v0")
    session = learn_in_memory(pilothouse.recipe(method, **SETTINGS), source, steps=steps, seeds=[seed], episodes=0)
    if session.fault_lines():
        raise RuntimeError(session.fault_lines()[0])
    np.savez(file, steps=session.step, **dense(session.policy_parts(0)["actor"].body, source.scaling))


def dense(body: Any, scaling: Any) -> dict[str, np.ndarray]:
    """The layers as (inputs, outputs) weights and biases, and what observations are standardised by."""
    found = {}
    for index, layer in enumerate(body.layers):
        found |= {f"weight{index}": np.asarray(layer.weight), f"bias{index}": np.asarray(layer.bias)}
    if scaling.mean is not None:
        found |= {"mean": np.asarray(scaling.mean, np.float32), "std": np.asarray(scaling.std, np.float32)}
    return found


def record(steps: int, folder: Path) -> None:
    """All experience of one run of SAC in whole episodes: as a Minari dataset, and as arrays for a peer without Minari."""
    import jax

    import pilothouse
    from pilothouse.core.spaces import from_unit
    from pilothouse.data.episodes import dataset_from_transitions
    from pilothouse.data.minari_format import read_minari
    from pilothouse.data.minari_write import write_minari
    from pilothouse.train.resolve import environment_source
    from pilothouse.train.session import learn as learn_in_memory

    source = environment_source(ENVIRONMENT)
    session = learn_in_memory(pilothouse.recipe("sac", **SETTINGS), source, steps=steps, seeds=[RECORDER], episodes=0)
    memory = jax.tree.map(lambda x: np.asarray(x[0]), session.machine.state.parts["replay"])
    rows = jax.tree.map(lambda x: x[: int(memory.added)], memory.rows)
    whole = int(np.flatnonzero(rows.terminated | rows.truncated)[-1]) + 1
    rows = jax.tree.map(lambda x: x[:whole], rows)
    rows = rows.replace(action=np.asarray(from_unit(source.spec.action, rows.action), np.float32))
    text = f"All experience of one SAC run of {whole} steps in {ENVIRONMENT}."
    dataset = dataset_from_transitions(rows, source.spec, name="halfcheetah-v0", env_id=ENVIRONMENT, description=text)
    write_minari(folder / "halfcheetah-v0", dataset, algorithm_name="SAC")
    stored = read_minari(folder / "halfcheetah-v0")
    read, moments = stored.rows(), stored.scaler()
    kept = {name: np.asarray(read[name]) for name in ("obs", "action", "reward", "terminated", "truncated")}
    np.savez(folder / "data.npz", mean=moments.mean, std=moments.std, fingerprint=stored.fingerprint, **kept)


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        learn(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]), Path(sys.argv[6]))
