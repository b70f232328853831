"""How long `pilothouse --help` takes, as a child process; with `--bare`, an interpreter that does nothing."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve


class HelpWorker:
    """A unit is one call."""

    def __init__(self, bare: bool):
        program = str(Path(sys.executable).with_name("pilothouse"))
        self.command = [sys.executable, "-c", "pass"] if bare else [program, "--help"]

    def warm_up(self) -> None:
        self.run(2)

    def run(self, count: int) -> int:
        for _ in range(count):
            subprocess.run(self.command, check=True, stdout=subprocess.DEVNULL)
        return count

    def facts(self) -> dict[str, Any]:
        return {"command": " ".join([Path(self.command[0]).name, *self.command[1:]])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bare", action="store_true")
    options = parser.parse_args()
    serve(lambda: HelpWorker(options.bare), "pilothouse", "cyclopts")
