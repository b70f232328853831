"""From the rounds of two sides to one result. Standard library only."""

import statistics
from typing import Any

from rows import Row


def speeds(side: dict[str, Any]) -> list[float]:
    """Units a second, round by round."""
    return [taken["count"] / taken["seconds"] for taken in side["rounds"]]


def side_summary(side: dict[str, Any]) -> dict[str, Any]:
    """One side: median speed, every round, what start-up and compilation took, versions and facts."""
    each = speeds(side)
    kept = {name: side[name] for name in ("start_seconds", "warm_up_seconds", "versions", "facts")}
    return {"units_per_second": statistics.median(each), "per_round": each, "rounds": side["rounds"]} | kept


def verdict(row: Row, ratio: dict[str, Any], ours_per_second: float) -> tuple[bool | None, str]:
    """Whether the reach is met (None where none is set), and a sentence that says so."""
    if row.seconds is not None:
        took = 1 / ours_per_second
        return took <= row.seconds, f"{row.name}: {took:.3f} s, reach {row.seconds} s"
    wanted = "no reach set" if row.reach is None else f"reach {row.reach}"
    spread = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
    sentence = f"{row.name}: {ratio['median']:.2f} times {row.peer_name} ({spread}), {wanted}"
    return (None if row.reach is None else ratio["median"] >= row.reach), sentence


def summary(row: Row, ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """The result that is stored: the median of the rounds' ratios, their least and greatest, and the reach."""
    ratios = [left / right for left, right in zip(speeds(ours), speeds(peer), strict=True)]
    ratio = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "per_round": ratios}
    left, right = side_summary(ours), side_summary(peer)
    met, sentence = verdict(row, ratio, left["units_per_second"])
    about = {"row": row.name, "work": row.work, "unit": row.unit, "peer_name": row.peer_name}
    wanted = {"reach": row.reach, "stretch": row.stretch, "reach_seconds": row.seconds}
    return about | {"ours": left, "peer": right, "ratio": ratio} | wanted | {"met": met, "sentence": sentence}
