"""Files with turned, lost and foreign bytes: refused in one line, or read and refused when they act. Never anything else."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.core.errors import MissingExtraError, PilothouseError
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.foreign.normalisation import read_statistics
from pilothouse.policies.foreign.onnx_file import read_onnx
from pilothouse.policies.foreign.stable_baselines3 import read_sb3
from pilothouse.policies.foreign.torch_file import read_torch
from pilothouse.policies.host import HostPolicy, decide

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
HERE = Path(__file__).parent
PENDULUM = Spec(Box((3,)), Box((1,), -2.0, 2.0))
READERS: dict[str, Callable[[Path], Any]] = {
    "sb3_sac_pendulum.zip": lambda path: read_sb3(path, PENDULUM),
    "d3rlpy_td3bc.onnx": lambda path: read_onnx(path, PENDULUM),
    "d3rlpy_td3bc.pt": lambda path: read_torch(path, PENDULUM),
    "sb3_vecnormalize.pkl": lambda path: read_statistics(path, PENDULUM, trust=True),
}


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    found = bytearray(content)
    kind, at = generator.integers(3), int(generator.integers(len(found)))
    if kind == 0:
        found[at] = int(generator.integers(256))
    elif kind == 1:
        del found[at:]
    else:
        found[at : at + int(generator.integers(1, 200))] = generator.bytes(int(generator.integers(200)))
    return bytes(found)


@pytest.mark.parametrize("name", READERS)
def test_damage_is_one_line(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content, generator = (HERE / name).read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(25):
        path = tmp_path / name
        path.write_bytes(damaged(content, generator))
        try:
            found = READERS[name](path)
            if isinstance(found, HostPolicy):
                decide(found, np.zeros((2, 3), np.float32), (), 0, 2)
        except PilothouseError as fault:
            refused += 1
            assert "\n" not in str(fault) and len(str(fault)) < 600
    assert refused > 15
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("sb3_sac_pendulum.zip", "torch", "torch"),
        ("d3rlpy_td3bc.pt", "torch", "torch"),
        ("d3rlpy_td3bc.onnx", "onnxruntime", "onnx"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    name: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"pilothouse\[{extra}\]"):
        READERS[name](HERE / name)


def test_a_pickle_that_asks_for_all_memory_gets_none(tmp_path: Path) -> None:
    path = tmp_path / "greedy.pkl"
    path.write_bytes(b"\x80\x04N" + b"r\xff\xff\xff\x7f" + b".")  # what is remembered goes to place 2147483647
    with pytest.raises(PilothouseError, match="a place 2147483647"):
        read_statistics(path, PENDULUM, trust=True)
