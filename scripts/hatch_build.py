"""Build hook: puts the records of `reproductions/` into the wheel as `pilothouse/_records`.

An editable install leaves them where they are: its `pilothouse` is the checkout, and a copy would go stale.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecordsHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds every record and its plot; `version` is "editable" or "standard"."""
        if version == "editable":
            return
        for record in sorted(Path(self.root, "reproductions").glob("*")):
            if record.suffix in {".json", ".svg"}:
                build_data["force_include"][str(record)] = f"pilothouse/_records/{record.name}"
