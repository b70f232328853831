"""No step copies a store: on a million rows a copy costs more than everything else together."""

import re
from typing import Any

import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.train.session import open_session
from pilothouse.train.sources import SimulatorSource, Source, WorldSource
from pilothouse.worlds.registry import world

CAPACITY = 4_567  # a length that no other array has


def compiled_texts(source: Source, lanes: int, block: int) -> list[str]:
    """The optimised programs of a few steps of SAC, as text."""
    made = load_recipe("sac")(width=8, depth=1, batch=4, warmup=2 * block, block=block, capacity=CAPACITY)
    machine = open_session(made, source, seeds=range(lanes), episodes=0).machine
    machine.advance(4 * block)
    texts: list[str] = []

    def spied(program: Any) -> Any:
        def spy(*args: Any) -> Any:
            texts.append(program.lower(*args).compile().as_text())
            return program(*args)

        return spy

    machine._programs = {name: spied(program) for name, program in machine._programs.items()}
    for tape in machine._tapes.values():
        tape.run = spied(tape.run)
    machine.advance(1)
    return texts


@pytest.mark.parametrize(
    ("kind", "lanes", "block"), [("simulator", 1, 1), ("simulator", 2, 1), ("simulator", 1, 4), ("world", 1, 1)]
)
def test_no_step_copies_the_replay(kind: str, lanes: int, block: int) -> None:
    if kind == "simulator":
        pytest.importorskip("gymnasium")
        source: Source = SimulatorSource("Pendulum-v1", 1)
    else:
        source = WorldSource("pendulum", world("pendulum"), 1)
    texts = compiled_texts(source, lanes, block)
    assert texts and any(str(CAPACITY) in text for text in texts)
    copies = [line for text in texts for line in re.findall(rf"= \w+\[(?:\d,)?{CAPACITY}\D[^=]* copy\(.*", text)]
    assert not copies, copies[0]
