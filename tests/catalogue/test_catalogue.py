import json
import subprocess
import sys
from collections import Counter

import pytest

from pilothouse.catalogue import catalogue, records
from pilothouse.catalogue.reproduce import reproduce
from pilothouse.catalogue.shelf import Shelf, listed, shelf
from pilothouse.core.errors import UnknownNameError, WiringError

ROW = ["key", "id", "title", "wing", "fit", "status", "verdict", "underpowered", "basis", "record"]
WINGS = {
    "offline", "online", "exploration", "generative", "goals", "imitation", "preference", "language", "agents",
    "robotics", "world-models", "robustness", "safety", "guard", "explain", "evaluate", "decisions", "tabular",
    "transfer", "multi-agent", "reading",
}  # fmt: skip


def test_there_are_431_papers_of_which_411_are_methods():
    papers = listed()
    assert [paper["id"] for paper in papers] == list(range(1, 432))
    assert len({paper["key"] for paper in papers}) == 431
    assert sum(paper["wing"] != "reading" for paper in papers) == 411
    assert {paper["wing"] for paper in papers} == WINGS
    assert {tuple(paper) for paper in papers} == {("key", "id", "title", "wing", "kind", "fit")}


def test_every_key_is_a_module_name_of_its_own():
    stems = [paper["key"].replace("-", "_") for paper in listed()]
    assert all(stem.isidentifier() for stem in stems)
    assert len(set(stems)) == 431


def test_recipes_lie_in_the_wings_of_their_papers():
    wings = {paper["key"]: paper["wing"] for paper in listed()}
    for key, path in shelf().modules().items():
        wing = path.parent.name.replace("_", "-")
        assert wing in WINGS - {"reading"}
        assert wings.get(key, wing) == wing
    stems = Counter(path.stem for path in shelf().modules().values())
    assert not [stem for stem, count in stems.items() if count > 1]


def test_rows_are_papers_first_then_baselines(toy_shelf: Shelf):
    rows = catalogue.papers(on=toy_shelf)
    assert len(rows) == 432
    assert {tuple(row) for row in rows} == {tuple(ROW)}
    assert [row["id"] for row in rows] == [*range(1, 432), None]
    assert Counter(row["status"] for row in rows) == {"planned": 410, "reading": 20, "built": 2}
    assert rows[-1] == {
        **dict.fromkeys(ROW), "key": "toy-baseline", "title": "Plain baseline: nothing added", "wing": "offline",
        "fit": "core", "status": "built",
    }  # fmt: skip
    assert json.loads(json.dumps(rows)) == rows


def test_a_wing_can_be_asked_for_alone(toy_shelf: Shelf):
    tabular = catalogue.papers("tabular", on=toy_shelf)
    assert len(tabular) == 23
    assert [row["key"] for row in tabular if row["status"] == "built"] == ["n-vr-pg"]
    assert catalogue.papers("offline", on=toy_shelf)[-1]["key"] == "toy-baseline"
    with pytest.raises(UnknownNameError, match="Did you mean 'offline'"):
        catalogue.papers("ofline", on=toy_shelf)


def test_verdicts_come_from_the_records(toy_shelf: Shelf):
    reproduce("n-vr-pg", out=toy_shelf.records, write=lambda line: None, on=toy_shelf)
    row = next(row for row in catalogue.papers(on=toy_shelf) if row["key"] == "n-vr-pg")
    assert (row["verdict"], row["underpowered"], row["basis"]) == ("shown", False, "analogue")
    assert row["record"] == str(toy_shelf.records / "n-vr-pg.json")


def test_show_has_settings_parts_claim_and_record(toy_shelf: Shelf):
    shown = catalogue.show("n-vr-pg", on=toy_shelf)
    assert list(shown) == [*ROW[:-1], "record", "doc", "settings", "parts", "claim"]
    assert shown["doc"].startswith("A made-up method")
    assert shown["settings"]["share"] == {"default": 0.5, "type": "float", "range": "[0, 1]", "choices": []}
    assert shown["settings"]["batch"] == {"default": 4, "type": "int", "range": None, "choices": []}
    assert shown["parts"] == {
        "fast": {"copy_of": None, "trained_by": [], "written_by": []},
        "slow": {"copy_of": "fast", "trained_by": [], "written_by": ["follow"]},
    }
    assert shown["claim"]["relations"] == ["new > old", "|third - old| ≤ 1"]
    assert shown["record"] is None
    reproduce("n-vr-pg", out=toy_shelf.records, write=lambda line: None, on=toy_shelf)
    assert catalogue.show("n-vr-pg", on=toy_shelf)["record"] == records.read(toy_shelf.record("n-vr-pg"))


def test_show_of_a_planned_paper_and_of_a_baseline(toy_shelf: Shelf):
    planned = catalogue.show("beso", on=toy_shelf)
    assert planned["status"] == "planned"
    assert [planned[name] for name in ("doc", "settings", "parts", "claim", "record")] == [None] * 5
    baseline = catalogue.show("toy-baseline", on=toy_shelf)
    assert list(baseline["settings"]) == ["batch"]
    assert baseline["claim"] is None
    with pytest.raises(UnknownNameError, match="Did you mean 'beso'"):
        catalogue.show("besso", on=toy_shelf)


def test_loading_imports_that_recipe_alone(toy_shelf: Shelf):
    assert catalogue.load_recipe("n-vr-pg", on=toy_shelf).name == "n-vr-pg"
    assert "toy_recipes.offline.toy_baseline" not in sys.modules
    assert catalogue.load_claim("n-vr-pg", on=toy_shelf).effect == 5.0
    assert catalogue.all_built(on=toy_shelf) == ["n-vr-pg", "toy-baseline"]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("n-vr-pq", "Unknown recipe 'n-vr-pq'. Did you mean 'n-vr-pg'"),
        ("beso", "is planned and not built yet"),
        ("gello", "is listed for reading"),
    ],
)
def test_what_cannot_be_loaded_says_why(toy_shelf: Shelf, name: str, match: str):
    with pytest.raises(UnknownNameError, match=match):
        catalogue.load_recipe(name, on=toy_shelf)


def test_a_baseline_has_no_claim_and_a_study_no_recipe(toy_shelf: Shelf):
    with pytest.raises(WiringError, match="makes no claim"):
        catalogue.load_claim("toy-baseline", on=toy_shelf)
    (toy_shelf.recipes / "tabular" / "barfi.py").write_text('"""A study."""\nCLAIM = None\n', encoding="utf-8")
    with pytest.raises(WiringError, match="is a study"):
        catalogue.load_recipe("barfi", on=toy_shelf)


def test_a_claim_of_another_recipe_is_refused(toy_shelf: Shelf):
    path = toy_shelf.modules()["n-vr-pg"]
    path.write_text(path.read_text().replace('recipe="n-vr-pg"', 'recipe="rent"'), encoding="utf-8")
    with pytest.raises(WiringError, match="says that it is of 'rent'"):
        catalogue.load_claim("n-vr-pg", on=toy_shelf)


def test_listing_imports_neither_jax_nor_numpy():
    code = (
        "import sys, pilothouse.catalogue as c; c.papers()\n"
        "print(sorted({'jax', 'numpy', 'scipy', 'equinox', 'optax'} & {name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_toy_specs_cover_every_kind_of_action():
    from pilothouse.algorithm.recipe import Takes
    from pilothouse.catalogue.toy import SPACES, toy_spec

    for kind in SPACES:
        assert toy_spec(Takes(source="data", action=(kind,))).action.kind == kind
    assert toy_spec(None).action.kind == "Box"
