"""MuJoCo's own messages, kept out of the current folder.

Left alone, MuJoCo appends every warning to `MUJOCO_LOG.TXT` in the folder that the program happens to run in. With a
handler set it hands the message over and writes no file.
"""

import logging
import sys

_logger = logging.getLogger("pilothouse.mujoco")
_told: set[str] = set()


def redirect() -> None:
    """Send MuJoCo's warnings to Python's logging (`pilothouse.mujoco`), each kind once. Does nothing without MuJoCo."""
    mujoco = sys.modules.get("mujoco")
    if mujoco is not None and mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_tell)


def _tell(message: str) -> None:
    # A model's deprecated attribute is for its author; an unstable simulation is for the user, but once is enough.
    level = logging.DEBUG if "deprecated" in message else logging.WARNING
    kind = message.split("Time =")[0]
    if kind not in _told:
        _told.add(kind)
        _logger.log(level, "MuJoCo: %s", message)
