from pilothouse.catalogue import catalogue, tables
from pilothouse.catalogue.reproduce import reproduce
from pilothouse.catalogue.shelf import Shelf


def row(key: str, verdict: str | None, basis: str | None, *, weak: bool | None = None, number: int | None = 1) -> dict:
    status = "built" if verdict else "planned"
    return {
        "key": key, "id": number, "title": f"The long title of {key}", "wing": "online", "fit": "core",
        "status": status, "verdict": verdict, "underpowered": weak, "basis": basis, "record": None,
    }  # fmt: skip


ROWS = [
    row("a", "shown", "paper", weak=False),
    row("b", "shown", "analogue", weak=False),
    row("c", "inconclusive", "ours", weak=True),
    row("d", "contradicted", "analogue", weak=False),
    row("e", None, None),
    row("f", None, None, number=None),
]


def test_columns_line_up():
    text = tables.table(("name", "n"), [("a", 1), ("longer", 22)], right=(1,))
    assert text == "name     n\n------  --\na        1\nlonger  22"


def test_the_three_bases_are_counted_apart():
    text = tables.counts(ROWS, stale=["a"])
    assert text.splitlines() == [
        "5 papers: 5 methods (4 built), 0 for reading. 1 baselines beside them.",
        "shown: 2 (1 paper, 1 analogue)",
        "contradicted: 1 (1 analogue)",
        "underpowered, so not counted as measured: 1",
        "* measured with earlier parts: 1 (pilothouse reproduce --stale)",
    ]


def test_verdicts_read_with_their_basis():
    text = tables.papers_table(ROWS, stale=["b"])
    assert "shown (paper)\n" in text
    assert "shown (analogue) *\n" in text
    assert "inconclusive (ours, underpowered)\n" in text


def test_papers_fit_the_width_they_are_given():
    for width in (80, 120):
        lines = tables.papers_table(catalogue.papers(), width=width).splitlines()
        assert max(map(len, lines[:400])) <= max(width, 110)  # no narrower: keys and verdicts are never cut


def test_strips_put_values_where_they_belong():
    drawn = tables.strip([0.0, 0.0, 0.0, 5.0, 10.0, 10.0], 0.0, 10.0)
    assert len(drawn) == tables.STRIP
    assert (drawn[0], drawn[12], drawn[-1]) == ("#", "·", ":")
    assert tables.strip([3.0], 3.0, 3.0)[tables.STRIP // 2] == "·"


def test_show_says_what_is_there(toy_shelf: Shelf):
    before = tables.show_text(catalogue.show("n-vr-pg", on=toy_shelf))
    for part in ("A made-up method", "share", "[0, 1]", "copy of fast", "follow", "Not measured yet"):
        assert part in before
    reproduce("n-vr-pg", out=toy_shelf.records, write=lambda line: None, on=toy_shelf)
    after = tables.show_text(catalogue.show("n-vr-pg", on=toy_shelf), stale=True)
    for part in ("earlier parts", "new > old", "1 diverged", "seeds 1000 to 1004"):
        assert part in after
    planned = tables.show_text(catalogue.show("beso", on=toy_shelf))
    assert planned.splitlines()[-1] == "wing generative, planned"


def test_too_few_seeds_are_said_to_be_too_few(toy_shelf: Shelf, tmp_path):
    record = reproduce("n-vr-pg", seeds=1, out=tmp_path, write=lambda line: None, on=toy_shelf)
    text = tables.record_table(record)
    assert "not known" in text
    assert "--seeds 32" in text
