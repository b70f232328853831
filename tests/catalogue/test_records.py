import json
import math
from pathlib import Path

import pytest

from pilothouse.catalogue import hashes, plot, records
from pilothouse.catalogue.catalogue import load_claim
from pilothouse.catalogue.reproduce import claims, reproduce, reproduce_many, stale_records
from pilothouse.catalogue.shelf import Shelf, checkout, shelf
from pilothouse.core.errors import DataError, OutputError, SettingError, UnknownNameError, WiringError


def quiet(line: str) -> None:
    del line


@pytest.fixture
def record(toy_shelf: Shelf) -> records.Record:
    return reproduce("n-vr-pg", out=toy_shelf.records, write=quiet, on=toy_shelf)


def test_a_record_says_all_that_was_measured(record):
    assert record["recipe"] == "n-vr-pg"
    assert record["id"] == 292
    assert record["title"].startswith("Reinforcement Learning with General Utilities")
    assert (record["statement"], record["basis"], record["source"]) == (
        "Adding five gives five more.",
        "analogue",
        "paper",
    )
    assert record["seeds"] == [1000, 1001, 1002, 1003, 1004]
    # 1000 % 7 = 6, so the baseline is 7, 1, 2, 3, 4: mean 3.4, middle three 2, 3, 4: mean 3.
    assert record["arms"]["old"]["per_seed"] == [7, 1, 2, 3, 4]
    assert record["arms"]["old"]["mean"] == pytest.approx(3.4)
    assert record["arms"]["old"]["iqm"] == pytest.approx(3.0)
    assert record["arms"]["old"]["diverged"] == [1000]
    assert record["arms"]["new"]["diverged"] == []
    assert [one["verdict"] for one in record["relations"]] == ["shown", "shown"]
    assert (record["verdict"], record["underpowered"], record["effect"]) == ("shown", False, 5.0)
    assert record["command"] == "pilothouse reproduce n-vr-pg --seeds 5"
    assert {"python", "jax", "numpy"} <= set(record["versions"])
    assert set(record["machine"]) <= {"processor", "cores", "system", "device"}
    assert record["settings"] == {"new": {"bonus": 5.0}}
    assert record["tried"] == {"new": [1.0, 5.0], "old": [0.0, 0.0]}


def test_a_record_is_read_as_it_was_written(record, toy_shelf: Shelf):
    assert records.read(toy_shelf.record("n-vr-pg")) == record
    assert sorted(path.name for path in toy_shelf.records.iterdir()) == ["n-vr-pg.json", "n-vr-pg.svg"]
    assert (toy_shelf.records / "n-vr-pg.svg").read_text(encoding="utf-8") == plot.svg(record)


def test_a_record_knows_when_its_claim_or_its_parts_changed(record, toy_shelf: Shelf):
    path = toy_shelf.modules()["n-vr-pg"]
    text = path.read_text(encoding="utf-8")

    def after(old: str, new: str) -> str | None:
        path.write_text(text.replace(old, new), encoding="utf-8")
        hashes.forget()
        return records.staleness(record, on=toy_shelf)

    assert after("BONUS = 5.0", "BONUS = 5.0  # five") is None
    assert after("return 1", "return 2") == "parts"
    assert stale_records(on=toy_shelf) == ["n-vr-pg"]
    assert after("BONUS = 5.0", "BONUS = 6.0") == "claim"
    path.unlink()
    hashes.forget()
    assert records.staleness(record, on=toy_shelf) == "claim"


def test_hashes_are_of_the_code_that_was_measured(toy_shelf: Shelf, tmp_path: Path):
    path = toy_shelf.modules()["n-vr-pg"]
    marks = records.marks_of(path)

    def edit() -> None:
        path.write_text(path.read_text(encoding="utf-8").replace("BONUS = 5.0", "BONUS = 6.0"), encoding="utf-8")
        hashes.forget()

    claim = load_claim("n-vr-pg", on=toy_shelf)
    measure = claim.measure
    object.__setattr__(claim, "measure", lambda seeds: (edit(), measure(seeds))[1])
    record = reproduce("n-vr-pg", out=tmp_path / "out", write=quiet, on=toy_shelf)
    assert {name: record[name] for name in marks} == marks
    assert records.staleness(record, on=toy_shelf) == "claim"


def test_new_seeds_never_replace_a_record(record, toy_shelf: Shelf, tmp_path: Path):
    def again(**how):
        return reproduce("n-vr-pg", write=quiet, on=toy_shelf, **{"out": toy_shelf.records, **how})

    with pytest.raises(OutputError, match="--out"):
        again(seed=2000)
    with pytest.raises(OutputError, match="measured on 5 seeds, and these are 2"):
        again(seeds=2)
    toy_shelf.record("n-vr-pg").unlink()
    with pytest.raises(OutputError, match="not those of the records"):
        again(seed=2000)  # not even where there is none yet
    elsewhere = again(seed=2000, seeds=2, out=tmp_path / "new")
    assert elsewhere["seeds"] == [2000, 2001]
    assert elsewhere["command"] == "pilothouse reproduce n-vr-pg --seeds 2 --seed 2000"
    again(seed=3000, seeds=2, out=tmp_path / "new")  # over a measurement that is no record
    again(seeds=2, out=tmp_path / "new")
    with pytest.raises(OutputError, match="was measured on the final seeds"):
        again(seed=3000, seeds=2, out=tmp_path / "new")
    again(seeds=6, out=tmp_path / "new")
    assert len(again(out=tmp_path / "new")["seeds"]) == 6  # as many as were needed before


def test_the_reader_sees_arms_relations_and_verdict(toy_shelf: Shelf, tmp_path: Path):
    lines: list[str] = []
    reproduce("n-vr-pg", out=tmp_path / "out", write=lines.append, on=toy_shelf)
    text = "\n".join(lines)
    for part in (
        "measuring new, old, third on 5 seed(s), 1000 to 1004",
        "new > old",
        "verdict: shown (analogue)",
        "wrote",
    ):
        assert part in text


def test_a_changed_verdict_is_said(record, toy_shelf: Shelf):
    path = toy_shelf.record("n-vr-pg")
    path.write_text(json.dumps({**record, "verdict": "contradicted"}), encoding="utf-8")
    lines: list[str] = []
    reproduce("n-vr-pg", out=toy_shelf.records, write=lines.append, on=toy_shelf)
    assert "The verdict was 'contradicted' and is now 'shown'" in lines[-1]


def test_several_are_checked_before_the_first_is_measured(toy_shelf: Shelf, tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match="planned"):
        reproduce_many(["n-vr-pg", "beso"], out=out, write=quiet, on=toy_shelf)
    assert not out.exists()
    with pytest.raises(SettingError, match="--all or --stale"):
        reproduce_many(write=quiet, on=toy_shelf)
    assert [one["recipe"] for one in reproduce_many(everything=True, out=out, write=quiet, on=toy_shelf)] == ["n-vr-pg"]
    assert reproduce_many(stale=True, out=out, write=quiet, on=toy_shelf) == []
    assert claims(on=toy_shelf) == ["n-vr-pg"]


@pytest.mark.parametrize(
    ("how", "match"), [({"seeds": 0}, "1 or more"), ({"seed": -1}, "0 or more"), ({"seeds": -3}, "1 or more")]
)
def test_seeds_that_make_no_sense_are_refused(toy_shelf: Shelf, tmp_path: Path, how, match):
    with pytest.raises(SettingError, match=match):
        reproduce("n-vr-pg", out=tmp_path / "out", write=quiet, on=toy_shelf, **how)
    assert not (tmp_path / "out").exists()


def test_one_seed_makes_a_record_that_settles_nothing(toy_shelf: Shelf, tmp_path: Path):
    record = reproduce("n-vr-pg", seeds=1, out=tmp_path / "out", write=quiet, on=toy_shelf)
    assert (record["verdict"], record["underpowered"]) == ("inconclusive", True)
    assert record["arms"]["new"]["interval"] == [None, None]
    assert "NaN" not in (tmp_path / "out" / "n-vr-pg.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "cannot be read"),
        ('{"recipe": "n-v', "cannot be read"),
        ("[1, 2]", "lacks recipe, verdict"),
        ('{"recipe": "x"}', "lacks verdict"),
    ],
)
def test_damaged_records_are_refused_by_name(tmp_path: Path, text: str, match: str):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=match) as refused:
        records.read(path)
    assert str(path) in str(refused.value)


def test_a_record_of_another_format_is_refused(record, toy_shelf: Shelf):
    path = toy_shelf.record("n-vr-pg")
    path.write_text(json.dumps({**record, "format": 2}), encoding="utf-8")
    with pytest.raises(DataError, match="reads format 1"):
        records.read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    records.write_whole(path, "old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        records.write_whole(path, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_claim_that_json_cannot_hold_is_refused_before_measuring(toy_shelf: Shelf):
    import dataclasses

    claim = load_claim("n-vr-pg", on=toy_shelf)
    for settings in ({"new": {"lr": math.inf}}, {"new": {"lr": object()}}):
        with pytest.raises(WiringError, match="cannot be stored"):
            records.check_storable(dataclasses.replace(claim, settings=settings))


SHIPPED = sorted(shelf().records.glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_record_is_of_the_claim_beside_it(path: Path, record_property):
    record = records.read(path)
    stale = records.staleness(record)
    assert record["recipe"] == path.stem
    assert stale != "claim", f"the claim of {path.stem} has changed: pilothouse reproduce {path.stem}"
    record_property("measured_with_earlier_parts", stale == "parts")  # counted, and no failure: a release has none
    assert record["seeds"][0] == 1000
    assert len(record["seeds"]) >= 5
    drawn = path.with_suffix(".svg").read_bytes()
    assert len(drawn) <= plot.MOST_BYTES
    assert drawn.decode() == plot.svg(record), "the plot is not of this record"


def test_no_plot_lies_without_its_record():
    folder = shelf().records
    assert {path.stem for path in folder.glob("*.svg")} == {path.stem for path in SHIPPED}


def test_the_checkout_is_found():
    root = checkout()
    assert root is not None
    assert shelf().records == root / "reproductions"
