"""Charts for a terminal, of block characters."""

import numpy as np
from jaxtyping import Float

from pilothouse.report.histogram_chart import bin_edges
from pilothouse.report.numerals import count, number
from pilothouse.report.scales import finite

EIGHTHS = " ▏▎▍▌▋▊▉"


def text_histogram(values: Float[np.ndarray, " value"], *, bins: int = 10, width: int = 40) -> list[str]:
    """One line a bin: its edges, a bar to an eighth of a character, its count. What is not finite is left out and said.

    Where there are no more different values than `bins`, each has a line of its own. `width` is the length of the
    longest bar, in characters; a bin with anything in it has at least an eighth.
    """
    known = values[finite(values)]
    if not len(known):
        return ["no finite value"]
    different, counts = np.unique(known, return_counts=True)
    labels = [number(value) for value in different]
    if len(different) > bins:
        edges = bin_edges(known, most=bins)
        counts = np.histogram(known, edges)[0]
        labels = [f"{number(low)} to {number(high)}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    wide = max(len(label) for label in labels)
    lines = [
        f"{label:>{wide}} {_bar(width * amount / counts.max())} {amount:,}".rstrip()
        for label, amount in zip(labels, counts.tolist(), strict=True)
    ]
    bad = len(values) - len(known)
    return [*lines, f"({count(bad, 'value')} not finite)"] if bad else lines


def _bar(length: float) -> str:
    eighths = max(round(8 * length), 1) if length > 0 else 0
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
