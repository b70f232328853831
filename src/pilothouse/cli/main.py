"""`pilothouse`: the entry point, and what every command has in common (errors, exit codes, the compilation cache)."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilothouse.core.errors import PilothouseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit 0 done, 2 the input is at fault, 3 a loss not finite, 130 interrupted, 1 our fault."""
    from pilothouse.cli.parser import make_parser

    try:
        options = make_parser().parse_args(arguments)
        set_up(options)
        from pilothouse.cli import commands

        document = getattr(commands, options.command)(options)
        if options.json:
            print(json.dumps(document, allow_nan=False))
        return 0
    except PilothouseError as fault:
        print(f"error: {' '.join(str(fault).split())}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt as stop:
        print(f"error: {str(stop) or 'Interrupted.'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as fault:
        import traceback

        traceback.print_exc()
        print(f"error: this is our fault, please report it: {type(fault).__name__}: {fault}", file=sys.stderr)
        return 1


def set_up(options: Any) -> None:
    """Where to compute, and the persistent compilation cache. Runs before jax is imported."""
    device = getattr(options, "device", None)
    if device is not None:
        os.environ["JAX_PLATFORMS"] = {"cpu": "cpu", "gpu": "cuda"}[device]
    if options.command in ("papers", "show", "report") or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilothouse" / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError:
        print(f"The compilation cache is off: {folder} cannot be written.", file=sys.stderr)
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def entry() -> None:
    sys.exit(main())


if __name__ == "__main__":
    entry()
