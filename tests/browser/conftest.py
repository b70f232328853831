"""The made-up results that pages are made from."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / "report" / "sample_report.py"


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """`tests/report/sample_report.py`, which is not on the path."""
    spec = importlib.util.spec_from_file_location("sample_report", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_report"] = module
    spec.loader.exec_module(module)
    return module
