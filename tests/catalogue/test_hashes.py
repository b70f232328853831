from pathlib import Path

import pytest

from pilothouse.catalogue import hashes
from pilothouse.core.errors import WiringError

RECIPE = '''"""Docstring."""

from house.evaluate.claim import Claim
from house.networks import small
import house.worlds.pond as pond

SIZE: int = 3
UNUSED = 1


def helper(x):
    """Of the helper."""
    return x * SIZE  # three times


def measure(seeds):
    return helper(seeds), pond.depth


def other():
    return UNUSED


CLAIM = Claim(measure=measure, margin=0.5, notes="first")
'''


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package `house` with a recipe in it; returns its folder."""
    files = {
        "__init__.py": "from house.far import away\n",
        "far.py": "away = 1\n",
        "evaluate/__init__.py": "",
        "evaluate/claim.py": "from ..core import errors\n\nclass Claim: ...\n",
        "core/__init__.py": "",
        "core/errors.py": "from house.core.deep import bottom\n",
        "core/deep.py": "bottom = 1\n",
        "networks/__init__.py": "from house.networks._a import small\nfrom house.networks._b import large as large\n",
        "networks/_a.py": "def small(): ...\n",
        "networks/_b.py": "def large(): ...\n",
        "worlds/__init__.py": "",
        "worlds/pond.py": "def depth():\n    import house.worlds.late\n",
        "worlds/late.py": "x = 1\n",
        "recipes/offline/mine.py": RECIPE,
    }
    for name, text in files.items():
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text(text)
    hashes.forget()
    return tmp_path / "house"


def claim_of(house: Path, *changes: tuple[str, str]) -> str:
    return _hashed(house, "recipes/offline/mine.py", changes, hashes.claim_hash)


def parts_of(house: Path, name: str = "recipes/offline/mine.py", *changes: tuple[str, str]) -> str:
    mine = house / "recipes/offline/mine.py"
    return _hashed(house, name, changes, lambda _: hashes.parts_hash(mine, house))


def _hashed(house: Path, name: str, changes: tuple[tuple[str, str], ...], hashed) -> str:
    path = house / name
    before = path.read_text()
    text = before
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    hashes.forget()
    try:
        return hashed(path)
    finally:
        path.write_text(before)
        hashes.forget()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # three times", ""),
        ("  # three times", "  # thrice"),
        ('"""Docstring."""', '"""Another."""'),
        ('    """Of the helper."""\n', ""),
        ("return x * SIZE", "return (x *\n        SIZE)"),
        ("UNUSED = 1", "UNUSED = 2"),
        ("return UNUSED", "return None"),
        ('notes="first"', 'notes="second"'),
        (', notes="first"', ""),
        ("def other():", "def renamed():"),
        ("from house.networks import small\n", ""),
    ],
)
def test_the_claim_hash_is_deaf_to_what_changes_nothing(house, old, new):
    assert claim_of(house, (old, new)) == claim_of(house)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE: int = 3", "SIZE: int = 4"),
        ("SIZE: int = 3", "SIZE: int = 3.0"),
        ("x * SIZE", "x + SIZE"),
        ("margin=0.5", "margin=0.25"),
        ("margin=0.5, ", ""),
        ("helper(seeds), pond.depth", "helper(seeds)"),
        ("house.worlds.pond as pond", "house.worlds.late as pond"),
        ("house.evaluate.claim", "house.evaluate.other"),
        ("def helper(x):", "def helper(x, y=1):"),
        ("CLAIM = Claim(", "SIZE += 1\nCLAIM = Claim("),
    ],
)
def test_the_claim_hash_hears_what_the_claim_reaches(house, old, new):
    assert claim_of(house, (old, new)) != claim_of(house)


def test_a_known_claim_keeps_its_hash(house):
    # Guards the form that is hashed: if this changes, every record in existence becomes one of another claim.
    assert claim_of(house) == "5407ec8161d2b22a"


def test_a_file_without_a_claim_is_refused(house):
    assert not hashes.has_claim(house / "far.py")
    with pytest.raises(WiringError, match="has no module-level `CLAIM"):
        hashes.claim_hash(house / "far.py")


def test_imports_are_followed_to_where_names_come_from(house):
    found = hashes.reached_modules(house / "recipes/offline/mine.py", house)
    assert {str(path.relative_to(house)) for path in found} == {
        "evaluate/claim.py", "core/errors.py", "core/deep.py", "networks/_a.py", "worlds/pond.py", "worlds/late.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("core/deep.py", "bottom = 1", "bottom = 2"),
        ("worlds/late.py", "x = 1", "x = 2"),
        ("networks/_a.py", "def small(): ...", "def small(): return 1"),
        ("recipes/offline/mine.py", "return UNUSED", "return 2"),
    ],
)
def test_the_parts_hash_hears_every_module_reached(house, name, old, new):
    assert parts_of(house, name, (old, new)) != parts_of(house)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("far.py", "away = 1", "away = 2"),
        ("networks/_b.py", "def large(): ...", "def large(): return 1"),
        ("core/deep.py", "bottom = 1", '"""New."""\nbottom = 1  # remark'),
        ("recipes/offline/mine.py", "margin=0.5", "margin=0.25"),
    ],
)
def test_the_parts_hash_is_deaf_to_the_rest(house, name, old, new):
    assert parts_of(house, name, (old, new)) == parts_of(house)


def test_a_recipe_outside_the_package_is_followed_too(house, tmp_path):
    outside = tmp_path / "elsewhere.py"
    outside.write_text("from house.core.errors import bottom\nfrom . import unknown\nimport numpy\n")
    assert {path.name for path in hashes.reached_modules(outside, house)} == {"errors.py", "deep.py"}
