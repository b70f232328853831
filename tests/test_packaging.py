"""The wheel holds all that the library reads at run time, and works in an environment that has nothing else."""

import email
import importlib.metadata
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pilothouse"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = folder.glob("*.whl")
    return built


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {str(Path("pilothouse") / path.relative_to(PACKAGE)) for path in files} <= names_in(wheel)


def test_wheel_holds_every_record(wheel: Path) -> None:
    records = [path.name for path in (ROOT / "reproductions").glob("*") if path.suffix in {".json", ".svg"}]
    inside = {name for name in names_in(wheel) if name.startswith("pilothouse/_records/")}
    assert inside == {f"pilothouse/_records/{name}" for name in records}


@pytest.mark.skipif(not (PACKAGE / "catalogue" / "__init__.py").exists(), reason="the catalogue is not built yet")
def test_wheel_holds_the_catalogue(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        papers = json.loads(archive.read("pilothouse/catalogue/papers.json"))
    assert len(papers) >= 431


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    assert all(name.startswith(("pilothouse/", "pilothouse-")) for name in names_in(wheel))


def test_wheel_names_its_licence_script_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        scripts = archive.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "pilothouse = pilothouse.cli.main:entry" in scripts
    assert {"mujoco", "report", "language", "torch", "all", "dev"} <= set(metadata.get_all("Provides-Extra") or [])


def test_constraints_pin_everything_exactly_and_name_no_index() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line and not line.startswith("-") for line in lines)
    names = [line.split("==")[0].lower().replace("_", "-") for line in lines]
    assert len(names) == len(set(names))


def test_installed_versions_are_the_tested_ones() -> None:
    wrong = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, pinned = line.split("==")
        try:
            installed = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
        if installed != pinned:
            wrong[name] = f"{installed} instead of {pinned}"
    assert not wrong, f"run `make test`, which mends this: {wrong}"


@pytest.mark.slow
def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Without extras: training and evaluation in a JAX world, and the catalogue."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str) -> str:
        result = subprocess.run(
            [programs / command[0], *command[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    run("pip", "install", "--quiet", "--no-compile", "-c", str(ROOT / "constraints.txt"), str(wheel))
    run("pip", "check")
    command = ("train", "ppo", "--world", "cartpole", "--steps", "2048", "--out", "run", "--json")
    assert json.loads(run("pilothouse", *command))["recipe"] == "ppo"
    command = ("evaluate", "run", "--world", "cartpole", "--episodes", "4", "--json")
    assert json.loads(run("pilothouse", *command))["episodes"] == 4
    assert len(json.loads(run("pilothouse", "papers", "--json"))) >= 431
    assert json.loads(run("pilothouse", "show", "ppo", "--json"))["key"] == "ppo"
    assert json.loads(run("pilothouse", "reproduce", "mdpo", "--seeds", "2", "--out", "records", "--json"))
