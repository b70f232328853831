"""Results as JSON knows them: what every `as_json()` gives."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any, *leave_out: str) -> Any:
    """Records as dicts (without the fields named), arrays as lists, numbers that are not finite as None.

    What knows its own form (`to_json`, as intervals do) has that.
    """
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if field.name not in leave_out)
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(inner) for name, inner in value._asdict().items() if name not in leave_out}  # pyright: ignore
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items() if name not in leave_out}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
