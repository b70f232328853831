import random
import xml.etree.ElementTree as ET

import pytest

from pilothouse.catalogue.plot import MOST_BYTES, svg, ticks

SVG = "{http://www.w3.org/2000/svg}"


def record_of(arms: int = 3, seeds: int = 8, *, unit: str = "return", **fields) -> dict:
    source = random.Random(0)
    values = {f"arm {i}": [source.gauss(10 * i, 3) for _ in range(seeds)] for i in range(arms)}
    made = {
        name: {
            "unit": unit, "per_seed": per_seed, "mean": sum(per_seed) / seeds, "iqm": sum(per_seed) / seeds,
            "interval": [min(per_seed), max(per_seed)], "diverged": [],
        }
        for name, per_seed in values.items()
    }  # fmt: skip
    relation = {
        "relation": "arm 1 > arm 0", "kind": "greater", "verdict": "shown", "difference": 10.0, "interval": [5.0, 15.0],
        "effect": None, "underpowered": False,
    }  # fmt: skip
    return {
        "recipe": "toy", "statement": "More is <more> & better.", "verdict": "shown", "basis": "paper",
        "underpowered": False, "arms": made, "relations": [relation],
        "seeds": list(range(1000, 1000 + seeds)), **fields,
    }  # fmt: skip


def dots_in(root: ET.Element) -> int:
    return sum(path.attrib["d"].count("h0") for path in root.iter(f"{SVG}path") if path.get("class") == "dots")


def test_it_is_well_formed_and_says_what_it_shows():
    root = ET.fromstring(svg(record_of()))
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == "toy: shown (paper)"
    assert desc is not None and "More is <more> & better." in (desc.text or "")
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
    assert dots_in(root) == 3 * 8


def test_everything_lies_inside_the_picture():
    root = ET.fromstring(svg(record_of(arms=6)))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= width
        assert 0 <= float(text.attrib["y"]) <= height
    for path in root.iter(f"{SVG}path"):
        if path.get("class") == "dots":
            places = [place.split() for place in path.attrib["d"].replace("h0", "").split("M")[1:]]
            assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in places)


def test_dots_stand_in_the_order_of_their_values():
    record = record_of(arms=1, seeds=4)
    record["arms"]["arm 0"] |= {"per_seed": [3.0, 1.0, 2.0, 5.0], "mean": 2.75, "interval": [0.0, 6.0]}
    (dots,) = [path for path in ET.fromstring(svg(record)).iter(f"{SVG}path") if path.get("class") == "dots"]
    x = [float(place.split()[0]) for place in dots.attrib["d"].split("M")[1:]]
    assert x == sorted(x)
    # Values 1, 2, 3, 5: the gap from 3 to 5 is twice that from 1 to 2.
    assert (x[3] - x[2]) / (x[1] - x[0]) == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(("arms", "seeds"), [(1, 1), (3, 8), (12, 32), (8, 5000)])
def test_it_stays_small(arms: int, seeds: int):
    drawn = svg(record_of(arms, seeds))
    assert len(drawn.encode()) <= MOST_BYTES
    ET.fromstring(drawn)


def test_arms_of_different_units_have_axes_of_their_own():
    record = record_of(arms=2)
    record["arms"]["arm 1"]["unit"] = "nats"
    root = ET.fromstring(svg(record))
    assert sum(path.get("class") == "grid" for path in root.iter(f"{SVG}path")) == 2
    assert {"return", "nats"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_diverged_seeds_are_ringed_and_counted():
    record = record_of(arms=2)
    record["arms"]["arm 0"]["diverged"] = [1000, 1003]
    root = ET.fromstring(svg(record))
    assert len(list(root.iter(f"{SVG}circle"))) == 2
    assert any("2 diverged" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_one_seed_and_equal_values_can_be_drawn():
    record = record_of(arms=2, seeds=1)
    for arm in record["arms"].values():
        arm |= {"per_seed": [0.0], "mean": 0.0, "interval": [None, None]}
    record["relations"][0]["interval"] = [None, None]
    ET.fromstring(svg(record))


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-1.2, 3.4, [-2, -1, 0, 1, 2, 3, 4]),
        (0.001, 0.0031, [0.001, 0.0015, 0.002, 0.0025, 0.003, 0.0035]),
        (5.0, 5.0, [4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6]),
        (0.0, 0.0, [-1, -0.5, 0, 0.5, 1]),
        (1e6, 1.1e6, [1e6, 1.02e6, 1.04e6, 1.06e6, 1.08e6, 1.1e6]),
    ],
)
def test_ticks_are_round_and_span_the_values(low, high, marks):
    assert ticks(low, high) == pytest.approx(marks)
