"""`module:name`: what a user's own Python module holds under a name."""

import importlib
import sys
from pathlib import Path
from typing import Any

from pilothouse.core.errors import UnknownNameError, nearest
from pilothouse.policies.host import brief


def named_in_module(what: str, given: str) -> Any:
    """The attribute `name` of `module`, looked for in the current folder too. `what` is the option's name, for messages.

    Raises `UnknownNameError` for a module that cannot be imported, or lacks the name.
    """
    module, colon, name = given.rpartition(":")
    if not colon or not module or not name:
        raise UnknownNameError(f"{what} {given!r} is not of the form module:name.")
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except Exception as fault:
        raise UnknownNameError(
            f"{what} {given!r} asks for the module {module!r}, which cannot be imported "
            f"({type(fault).__name__}: {brief(fault)}). Is its folder the current one, or on PYTHONPATH?"
        ) from fault
    finally:
        if added:
            sys.path.remove(here)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnknownNameError(f"{what} {given!r}: {module} has no {part!r}.{nearest(part, vars(found))}")
        found = getattr(found, part)
    return found
