"""Datasets in OGBench's layout: one `.npz` of flat arrays, a row a state, trajectories one after the other.

As stored, `terminals` is 1 on the last row of each trajectory, whose action has no next state and is left out. The
*compact* form (OGBench's loader makes it) marks those rows by `valids` 0, and `terminals` 1 on them and on the row before.
The *regular* form has `next_observations`, and `terminals` 1 on the last transition. In none of them does `terminals` mean
that the environment ended: that is `masks` 0, if there; what the goal of a task makes of the data is not in the file.
Source: https://github.com/seohongpark/ogbench, `ogbench/utils.py`.
"""

from pathlib import Path

import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.data.dataset import Dataset
from pilothouse.data.files import MEND, refusing
from pilothouse.data.loose_rows import check_lengths, dataset_of_rows, flags
from pilothouse.data.npz import names_in, read_npz

NEEDED = ("observations", "actions", "terminals")
READ = (*NEEDED, "next_observations", "valids", "masks", "rewards")


def read_ogbench(path: Path) -> Dataset:
    """The whole file in memory, checked. Without `rewards`, all are 0.

    A trajectory is one episode, truncated at its end unless `masks` is 0 there; rows inside it where `masks` is 0 are
    terminated, and the trajectory goes on, as OGBench's agents take it.

    **Raises:** `DataError`.
    """
    where = str(path)
    with refusing(path, "OGBench's npz"):
        missing = sorted(set(NEEDED) - set(names_in(path)))
        if missing:
            raise DataError(f"{path}: is npz that lacks {missing}; OGBench's layout has {list(NEEDED)}. {MEND}")
        found = read_npz(path, READ)
    check_lengths(where, found)
    ends = flags(where, "terminals", found["terminals"])
    after = found.get("next_observations")
    if after is not None:
        rule, last = "transitions", ends
    elif "valids" in found:
        rule, last = "states", ~flags(where, "valids", found["valids"])
    else:
        rule, last = "states", ends
    terminated = ~flags(where, "masks", found["masks"]) if "masks" in found else np.zeros(len(ends), bool)
    return dataset_of_rows(
        where,
        found["observations"],
        found["actions"],
        found.get("rewards"),
        terminated,
        last,
        rule=rule,
        next_obs=after,
        name=path.stem,
        description="Trajectories in OGBench's layout.",
    )
