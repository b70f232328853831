"""A home that cannot be written to only switches the compilation cache off."""

import os
import subprocess
import sys
from pathlib import Path


def test_an_unwritable_home_costs_one_line(tmp_path: Path) -> None:
    dropped = ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in dropped} | {"HOME": "/dev/null"}
    command = ["evaluate", "random", "--world", "cartpole", "--episodes", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse", *command], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"policy": "random"')
    lines = [line for line in done.stderr.splitlines() if "cache" in line]
    assert lines == ["The compilation cache is off: /dev/null/.cache/pilothouse/jax cannot be written."]
    assert not list(tmp_path.iterdir())
