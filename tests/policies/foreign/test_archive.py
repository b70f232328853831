"""Files of tensors from elsewhere: what is refused before torch reads a byte of it."""

import zipfile
from pathlib import Path

import pytest

from pilothouse.core.errors import PolicyError
from pilothouse.policies.foreign.archive import read_tensors

torch = pytest.importorskip("torch")


def test_a_file_that_swells_is_refused_from_disk_as_from_memory(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state/data/0", bytes(5_000_000))
    for content in (path, path.read_bytes()):
        with pytest.raises(PolicyError, match="unpacks from .* not read"):
            read_tensors(path, content)


def test_a_torch_whose_restriction_can_be_got_round_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    torch.save({"weight": torch.ones(2)}, path)
    assert read_tensors(path, path)["weight"].tolist() == [1.0, 1.0]
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(PolicyError, match=r"torch 2.5.1\+cpu may run .* Install 2.6"):
        read_tensors(path, path)
