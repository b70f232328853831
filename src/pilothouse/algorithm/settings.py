"""Ranges for the settings of recipes: they stand in the annotations, are checked when binding, and serve the help.

def iql(spec: Spec, *, expectile: Fraction = 0.7, batch: Count = 256) -> Algorithm
"""

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pilothouse.core.errors import SettingError, unknown


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, each of which may be left out (`open_*`)."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        left = "(" if self.open_low or math.isinf(self.low) else "["
        right = ")" if self.open_high or math.isinf(self.high) else "]"
        ends = [
            ("-inf" if self.low < 0 else "inf") if math.isinf(self.low) else f"{self.low:g}",
            "inf" if math.isinf(self.high) else f"{self.high:g}",
        ]
        return f"{left}{ends[0]}, {ends[1]}{right}"


Fraction = Annotated[float, Range(0.0, 1.0)]
Positive = Annotated[float, Range(0.0, open_low=True)]
NotNegative = Annotated[float, Range(0.0)]
Real = Annotated[float, Range()]
Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]


@dataclass(frozen=True)
class Setting:
    """One keyword argument of a recipe."""

    name: str
    type: type
    default: Any
    range: Range | None
    choices: tuple[Any, ...] = ()

    def check(self, value: Any) -> Any:
        """The value in this setting's own type. Raises `SettingError`."""
        value = self._parse(value)
        if self.choices and value not in self.choices:
            raise SettingError(f"Setting {self.name}={value!r} is not one of {', '.join(map(repr, self.choices))}.")
        if self.range is not None and not self.range.holds(value):
            raise SettingError(
                f"Setting {self.name}={value!r} is out of range; expected {self.type.__name__} in {self.range}."
            )
        return value

    def _parse(self, value: Any) -> Any:
        wanted = self.type
        fault = SettingError(
            f"Setting {self.name}={value!r} has the wrong type; expected {wanted.__name__}{f' in {self.range}' if self.range else ''}."
        )
        if isinstance(value, str) and wanted is not str:
            if wanted is bool:
                if value.lower() not in ("true", "false"):
                    raise fault
                return value.lower() == "true"
            try:
                number = float(value)
                value = int(number) if wanted is int and number == int(number) else number
            except (ValueError, OverflowError):
                raise fault from None
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if wanted in (int, float) and (isinstance(value, bool) or not isinstance(value, wanted)):
            raise fault
        if wanted in (bool, str) and not isinstance(value, wanted):
            raise fault
        return value


def settings_of(function: Callable[..., Any]) -> dict[str, Setting]:
    """The keyword-only settings of a recipe's function. Only float, int, bool and str are settings."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        hint, span, choices = hints[name], None, ()
        if typing.get_origin(hint) is Annotated:
            hint, *notes = typing.get_args(hint)
            span = next((note for note in notes if isinstance(note, Range)), None)
        if typing.get_origin(hint) is typing.Literal:
            choices = typing.get_args(hint)
            hint = type(choices[0])
        if hint in (float, int, bool, str):
            found[name] = Setting(name, hint, parameter.default, span, choices)
    return found


def check_settings(recipe: str, settings: Mapping[str, Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings with their values, defaults filled in. Raises for unknown names, wrong types, values out of range."""
    for name in given:
        if name not in settings:
            raise unknown(f"setting of {recipe}", name, settings)
    return {name: setting.check(given.get(name, setting.default)) for name, setting in settings.items()}
