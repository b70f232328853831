"""`import pilothouse` is light, `pilothouse --help` lighter, optional libraries are imported where they are used."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "pilothouse"

# What only an extra brings, or what takes longest to import. Never at the top of one of our modules.
OPTIONAL = {
    "imageio", "imageio_ffmpeg", "jinja2", "math_verify", "matplotlib", "mujoco", "onnx", "onnxruntime", "playwright",
    "plotly", "starlette", "tensorboard", "tokenizers", "torch", "transformers", "uvicorn", "wandb",
}  # fmt: skip
# The web app is nothing without its server, and only `pilothouse view` imports it.
NEEDING = {"report/view/app.py": {"starlette"}}
SIMULATORS = {"gymnasium.envs.mujoco", "gymnasium.envs.classic_control"}
# Beyond OPTIONAL, `--help` does without the array libraries and without the readers of data.
ARRAYS = {"jax", "equinox", "optax", "numpy", "scipy", "sklearn", "gymnasium", "minari", "h5py", "pyarrow"}


def modules_after(code: str) -> set[str]:
    """Names of the modules that a new interpreter has loaded after running `code`."""
    show = f"{code}\nimport json, sys; sys.stdout = sys.__stdout__; print('\\n' + json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_pulls_no_simulator_plotting_or_server() -> None:
    loaded = modules_after("import pilothouse")
    assert not loaded & (OPTIONAL | SIMULATORS)


@pytest.mark.skipif(not (SRC / "cli" / "main.py").exists(), reason="the command line is not built yet")
def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['pilothouse', '--help']\n"
        "from pilothouse.cli.main import main\n"
        "try:\n    status = main()\nexcept SystemExit as stop:\n    status = stop.code\n"
        "assert not status, status"
    )
    assert not modules_after(code) & (OPTIONAL | SIMULATORS | ARRAYS)


def imports_when_loaded(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports as soon as it is loaded: not in functions, not for type checkers."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        else:
            found |= imports_when_loaded(node)
    return found


def test_no_module_imports_an_optional_library_at_its_top() -> None:
    wrong = {}
    for path in sorted(SRC.rglob("*.py")):
        name = path.relative_to(SRC).as_posix()
        found = imports_when_loaded(ast.parse(path.read_text(encoding="utf-8"))) & OPTIONAL
        if found - NEEDING.get(name, set()):
            wrong[name] = sorted(found)
    assert not wrong, f"import these inside the functions that use them: {wrong}"
