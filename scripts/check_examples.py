"""Runs the Python that the documentation shows: README.md, CONTRIBUTING.md, docs/**/*.md and the docstrings of src/.

The ```python blocks of one file run one after the other, in one interpreter and an empty folder. A block whose fence is
preceded by the line `<!-- not run: REASON -->` is left out, and the reason is printed.
"""

import doctest
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```python\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
TIMEOUT_SECONDS = 600


def pages() -> list[Path]:
    """The documents that hold examples, those that exist."""
    named = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [page for page in named if page.exists()] + sorted((ROOT / "docs").rglob("*.md"))


def examples(page: Path) -> str:
    """The Python of one document, with the line numbers of the document, so that a traceback can be followed."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        if reason := block["reason"]:
            print(f"  not run, {reason}")
            continue
        start = text[: block.start("code")].count("\n")
        code = block["code"].splitlines()
        lines[start : start + len(code)] = code
    return "\n".join(lines)


def run_page(page: Path) -> bool:
    """Runs one document's examples; True if they succeed or there are none."""
    print(page.relative_to(ROOT))
    code = examples(page)
    if not code.strip():
        return True
    with tempfile.TemporaryDirectory() as folder:
        program = f"exec(compile({code!r}, {str(page)!r}, 'exec'), {{'__name__': '__main__'}})"
        result = subprocess.run([sys.executable, "-c", program], cwd=folder, timeout=TIMEOUT_SECONDS)
    return result.returncode == 0


def run_docstrings() -> bool:
    """Runs the doctests of every module that has some; True if all succeed."""
    right = True
    for path in sorted((ROOT / "src").rglob("*.py")):
        if ">>> " not in path.read_text(encoding="utf-8"):
            continue
        print(path.relative_to(ROOT))
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        right &= doctest.testmod(importlib.import_module(name)).failed == 0
    return right


def main() -> int:
    failed = [str(page.relative_to(ROOT)) for page in pages() if not run_page(page)]
    if not run_docstrings():
        failed.append("docstrings")
    print(f"examples: {'failed in ' + ', '.join(failed) if failed else 'all run'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
