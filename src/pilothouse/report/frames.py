"""Pictures of an episode that was acted before: the same seed and the same actions, drawn step by step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree, UInt8

from pilothouse.core.errors import PilothouseError
from pilothouse.train.sources import SimulatorSource, WorldSource
from pilothouse.worlds.on_host import OnHost

SIDE = 320
"""Pixels of a picture's side, where the place lets one choose."""


class Frames(NamedTuple):
    """RGB images of the steps `first`, `first + every`, …; none, with the reason, where nothing can be drawn."""

    images: Sequence[UInt8[np.ndarray, "height width 3"]]
    first: int
    every: int
    reason: str = ""


def frames_of(place: WorldSource | SimulatorSource, seed: int, actions: PyTree, *, most: int = 200) -> Frames:
    """Pictures of the episode that begins with `seed` and does these `actions` (leading axis: steps); of its end.

    At most `most` of them: of a longer episode every second step, and the last `2 * most` steps at most. An episode is
    known by its seed and actions, so no policy is asked again.
    """
    steps = len(jax.tree.leaves(actions)[0])
    every = 1 if steps < most else 2
    first = max(steps - every * (most - 1), 0)
    try:
        world = _drawn(place)
        try:
            world.reset([0], [seed])
            images = [np.asarray(world.render(0))] if not first else []
            for step in range(steps):
                world.step(jax.tree.map(lambda x, step=step: x[step : step + 1], actions))
                if step + 1 >= first and (step + 1 - first) % every == 0:
                    images.append(np.asarray(world.render(0)))
        finally:
            world.close()
    except Exception as fault:  # a renderer may fail in ways of its own; the page does without pictures
        return Frames([], first, every, _reason(place, fault))
    return Frames(images, first, every)


def _drawn(place: WorldSource | SimulatorSource) -> Any:
    """One copy of the place that can be drawn."""
    if isinstance(place, WorldSource):
        return OnHost(place.world, 1, place.name)
    from pilothouse.worlds.rendering import rendering_backend

    rendering_backend()  # before MuJoCo is imported: it chooses its renderer then
    from pilothouse.worlds.host import GymnasiumWorld

    try:  # pictures of MuJoCo cost by the pixel where no graphics card draws them
        return GymnasiumWorld(place.name, 1, render_mode="rgb_array", width=SIDE, height=SIDE)
    except PilothouseError:
        return GymnasiumWorld(place.name, 1, render_mode="rgb_array")


def _reason(place: WorldSource | SimulatorSource, fault: Exception) -> str:
    if isinstance(place, SimulatorSource):
        from pilothouse.worlds.rendering import rendering_backend

        if rendering_backend().reason:
            return f"No pictures: {rendering_backend().reason}."
    return f"No pictures of {place.name}: {' '.join(str(fault).split())[:160] or type(fault).__name__}."
