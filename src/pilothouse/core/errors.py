"""Everything a user can do wrong, as one tree of errors.

PilothouseError                  what was given, what was expected, what to do; the CLI exits 2
├── UnknownNameError             a recipe, environment, setting or part that does not exist
├── SettingError                 a setting out of range or of the wrong type
├── SpaceError                   spaces or shapes that do not fit the recipe, data or environment
├── DataError                    a dataset that is missing, damaged or not what it says
├── CheckpointError              a checkpoint that is damaged, foreign, newer, or of another run
├── PolicyError                  a policy, often from elsewhere, that cannot be read, fails, or does what no place takes
├── OutputError                  an output folder in use, not empty, or not writable; a full disk
├── MissingExtraError            an optional dependency is not installed
├── WiringError                  a recipe whose pieces do not fit together
└── NonFiniteError               a loss turned infinite or NaN; the CLI exits 3
"""

import difflib
from collections.abc import Iterable


class PilothouseError(Exception):
    """Base of every error that a user can cause. `exit_code` is what the command line returns."""

    exit_code = 2


class UnknownNameError(PilothouseError, LookupError):
    """A name that is not in the list it was looked up in; the message holds the nearest one."""


class SettingError(PilothouseError, ValueError):
    """A setting out of range, of the wrong type, or at odds with another."""


class SpaceError(PilothouseError, ValueError):
    """Observation or action spaces that do not fit."""


class DataError(PilothouseError, ValueError):
    """A dataset that cannot be used."""


class CheckpointError(PilothouseError, ValueError):
    """A checkpoint that cannot be used."""


class PolicyError(PilothouseError, ValueError):
    """A policy that cannot be read or used: it raises, gives NaN or the wrong shape, or its file is not what it says."""


class OutputError(PilothouseError, OSError):
    """A place that cannot be written to."""


class MissingExtraError(PilothouseError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, what: str, extra: str):
        super().__init__(f'{what} needs an optional dependency. Install it with: pip install "pilothouse[{extra}]"')


class WiringError(PilothouseError, ValueError):
    """A recipe whose pieces do not fit together: a part that does not exist, a rule that writes what it may not."""


class NonFiniteError(PilothouseError, ArithmeticError):
    """A loss, or its gradient, turned infinite or NaN."""

    exit_code = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'iql'?` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """An `UnknownNameError` that lists what is known (at most 20 names) and the nearest of them."""
    names = sorted(known)
    listed = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    return UnknownNameError(f"Unknown {kind} {name!r}.{nearest(name, names)} Known: {listed or 'none'}.")
