"""Metrics go to TensorBoard and to W&B as they go to `metrics.jsonl`; read back by those libraries' own readers."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pilothouse.cli.main import main
from pilothouse.train.metrics import read_metrics, trackers

TRAIN = [
    "train",
    "ppo",
    "--world",
    "cartpole",
    "--steps",
    "96",
    "--episodes",
    "2",
    "--seeds",
    "2",
    "--envs",
    "2",
    "--quiet",
]
SMALL = ["--set", "width=4", "length=16", "minibatches=2", "epochs=1"]


def logged(run: Path, seed: int) -> dict[str, list[tuple[int, float]]]:
    """The numbers that `metrics.jsonl` holds of this seed, by name."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(run / "metrics.jsonl"):
        for name, value in row.items():
            if row["seed"] == seed and name not in ("step", "seed", "diverged", "timing") and value is not None:
                found.setdefault(name, []).append((row["step"], value))
    return found


def records(file: Path) -> Iterator[bytes]:
    """The records of a `.wandb` file: a LevelDB log behind seven bytes of its own, read without checking sums."""
    rest, block = file.read_bytes(), 32_768
    place, whole = 7, b""
    while place + 7 <= len(rest):
        if block - place % block < 7:  # too little left of this block for a head: it is padding
            place += block - place % block
            continue
        length, kind = struct.unpack_from("<HB", rest, place + 4)
        whole += rest[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield whole
            whole = b""


def test_tensorboard_reads_what_was_tracked(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util import tensor_util

    assert main([*TRAIN, *SMALL, "--track", "tensorboard", "--out", str(tmp_path / "run")]) == 0
    for seed in (0, 1):
        events = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard" / f"seed-{seed}"))
        events.Reload()
        wanted = logged(tmp_path / "run", seed)
        assert set(events.Tags()["tensors"]) == set(wanted) and "evaluation/return" in wanted
        for name, rows in wanted.items():
            read = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(name)]
            np.testing.assert_allclose(read, rows, rtol=1e-6)


def test_wandb_keeps_what_was_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main([*TRAIN, *SMALL, "--track", "wandb", "--out", str(tmp_path / "run")]) == 0
    files = sorted((tmp_path / "run").glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    kept: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for file in files:
        name, rows = "", {}
        for data in records(file):
            record = wandb_internal_pb2.Record.FromString(data)
            name = record.run.display_name or name
            items = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
            for key, value in items.items():
                if not key.startswith("_"):
                    rows.setdefault(key, []).append((items["_step"], value))
        kept[name] = rows
    for seed in (0, 1):
        wanted = logged(tmp_path / "run", seed)
        found = kept[f"run-seed-{seed}"]
        assert set(found) == set(wanted)
        for name, rows in wanted.items():
            np.testing.assert_allclose(found[name], rows, rtol=1e-6)


def test_wandb_without_an_account_is_one_line_and_no_run(tmp_path: Path) -> None:
    """In a process of its own: W&B keeps the first mode that it was given."""
    pytest.importorskip("wandb")
    unknown = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse", *TRAIN, *SMALL, "--track", "wandb", "--out", str(tmp_path / "run")],
        env=unknown | {"NETRC": str(tmp_path / "none"), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert last.startswith("error: W&B does not begin") and "WANDB_MODE=offline" in last
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilothouse.core.errors import MissingExtraError, SettingError

    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(MissingExtraError, match=r'pip install "pilothouse\[tensorboard\]"'):
        trackers(["tensorboard"], tmp_path, [0])
    with pytest.raises(SettingError, match="Unknown tracker 'mlflow'"):
        trackers(["mlflow"], tmp_path, [0])
