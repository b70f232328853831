import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pilothouse.catalogue.reproduce import reproduce
from pilothouse.catalogue.shelf import Shelf, checkout, shelf

FRONT = "# Title\n\nWords by hand.\n\n{}\nold table\n{}\n\nMore by hand.\n"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    root = checkout()
    assert root is not None
    spec = importlib.util.spec_from_file_location("make_docs", root / "scripts" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def docs(script: ModuleType, tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(FRONT.format(script.BEGIN, script.END), encoding="utf-8")
    return tmp_path / "docs"


def test_a_page_is_made_of_docstring_settings_claim_and_record(script, docs, toy_shelf: Shelf):
    page = script.page("n-vr-pg", on=toy_shelf, docs=docs)
    for part in (
        "A made-up method",
        "`share`",
        "copy of fast",
        "Adding five gives five more.",
        "Basis: analogue",
        "`new > old`",
    ):
        assert part in page
    assert "Not measured yet: `pilothouse reproduce n-vr-pg`" in page
    reproduce("n-vr-pg", out=toy_shelf.records, write=lambda line: None, on=toy_shelf)
    page = script.page("n-vr-pg", on=toy_shelf, docs=docs)
    assert "**shown (analogue)**" in page
    assert "(../../reproductions/n-vr-pg.svg)" in page
    assert (docs / "recipes" / "../../reproductions/n-vr-pg.svg").resolve() == toy_shelf.records / "n-vr-pg.svg"
    assert "`\\|third - old\\| ≤ 1`" in page  # a bar would end the cell
    assert "| new | `{'bonus': 5.0}` | `1.0`, `5.0` |" in page


def test_a_page_of_a_baseline_has_no_claim(script, docs, toy_shelf: Shelf):
    page = script.page("toy-baseline", on=toy_shelf, docs=docs)
    assert "Plain baseline" in page
    assert "## Claim" not in page
    assert "reproduce" not in page


def test_a_page_of_what_is_no_algorithm_says_how_it_is_called(script):
    for key, call in (("scope-rl", "build(dataset.spec)(dataset)"), ("verifybench", "build(TEXT)(subject)")):
        usage = script._usage(key, shelf())
        assert f'pilothouse.recipe("{key}").{call}' in usage and f"pilothouse reproduce {key}" in usage
    assert "```python" not in script._usage("iql", shelf())


def test_the_index_keeps_what_was_written_by_hand(script, docs, toy_shelf: Shelf):
    reproduce("n-vr-pg", out=toy_shelf.records, write=lambda line: None, on=toy_shelf)
    text = script.index((docs / "index.md").read_text(encoding="utf-8"), on=toy_shelf)
    assert text.startswith("# Title\n\nWords by hand.\n")
    assert text.endswith("\n\nMore by hand.\n")
    assert "old table" not in text
    assert "| tabular | 23 | 1 | 0 | 1 | 0 | 0 |" in text  # methods, built, shown by paper, analogue, ours, others
    assert "| [n-vr-pg](recipes/n-vr-pg.md) |" in text
    assert "shown: 1 (1 analogue)" in text
    assert script.index(text, on=toy_shelf) == text
    with pytest.raises(SystemExit, match="needs these two lines"):
        script.index("no marks", on=toy_shelf)


def test_stale_pages_are_found_and_mended(script, docs, toy_shelf: Shelf):
    made = script.pages(on=toy_shelf, docs=docs)
    everything = script.stale(made, docs)
    assert {path.name for path in everything} == {"index.md", "n-vr-pg.md", "toy-baseline.md"}
    script.write(made, everything)
    assert script.stale(script.pages(on=toy_shelf, docs=docs), docs) == []
    (docs / "recipes" / "gone.md").write_text("of no recipe")
    (docs / "recipes" / "n-vr-pg.md").write_text("changed by hand")
    wrong = script.stale(made, docs)
    assert [path.name for path in wrong] == ["n-vr-pg.md", "gone.md"]
    script.write(made, wrong)
    assert script.stale(made, docs) == []


def test_the_pages_of_this_checkout_are_as_they_should_be(script, capsys):
    assert script.main(["--check"]) == 0, capsys.readouterr().out
