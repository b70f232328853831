"""Drawing with plain NumPy: smooth-edged capsules, convex polygons and small text on an RGB image.

Points are (x, y) in pixels, x to the right and y down, from the corner of the image; shapes may stick out of it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

Image = UInt8[np.ndarray, "height width 3"]
Point = Sequence[float] | np.ndarray
Colour = tuple[int, int, int]

PAPER: Colour = (250, 248, 243)
INK: Colour = (38, 50, 66)
BRASS: Colour = (196, 138, 52)
SEA: Colour = (46, 112, 158)
MOSS: Colour = (84, 140, 88)
RUST: Colour = (186, 74, 58)
MIST: Colour = (210, 214, 218)


def blank(height: int, width: int, colour: Colour = PAPER) -> Image:
    """An image of one colour."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colour
    return image


def disc(image: Image, centre: Point, radius: float, colour: Colour) -> None:
    """Fill a disc, in place."""
    capsule(image, centre, centre, radius, colour)


def capsule(image: Image, start: Point, end: Point, radius: float, colour: Colour) -> None:
    """Fill everything within `radius` of a segment, in place: a thick line with round ends."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    window = _window(image, np.stack([a, b]), radius + 1)
    if window is None:
        return
    part, x, y = window
    along = b - a
    length = float(along @ along)
    share = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / length, 0, 1) if length else 0.0
    distance = np.hypot(x - a[0] - share * along[0], y - a[1] - share * along[1])
    _blend(part, radius - distance, colour)


def polygon(image: Image, corners: Sequence[Point] | np.ndarray, colour: Colour) -> None:
    """Fill a convex polygon, in place; its corners may run either way round."""
    points = np.asarray(corners, np.float64)
    window = _window(image, points, 1)
    if window is None:
        return
    part, x, y = window
    ahead = np.roll(points, -1, axis=0)
    turn = np.sign(np.sum(points[:, 0] * ahead[:, 1] - ahead[:, 0] * points[:, 1])) or 1.0
    inside = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf)
    for p, q in zip(points, ahead, strict=True):
        edge = q - p
        length = np.hypot(*edge)
        if length:
            inside = np.minimum(inside, turn * (edge[0] * (y - p[1]) - edge[1] * (x - p[0])) / length)
    _blend(part, inside, colour)


def box(image: Image, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    """Fill an upright rectangle, in place."""
    polygon(image, [(left, top), (right, top), (right, bottom), (left, bottom)], colour)


def text(image: Image, left: int, top: int, message: str, colour: Colour = INK, *, scale: int = 2) -> None:
    """Write digits, signs and blanks in a 5 by 7 face magnified `scale` times, in place; unknown signs are a box."""
    for place, sign in enumerate(message):
        rows = _FACE.get(sign, (31,) * 7)
        dots = np.array([[row >> (4 - column) & 1 for column in range(5)] for row in rows], bool)
        dots = dots.repeat(scale, 0).repeat(scale, 1)
        x = left + place * 6 * scale
        part = image[top : top + dots.shape[0], x : x + dots.shape[1]]
        part[dots[: part.shape[0], : part.shape[1]]] = colour


def _window(image: Image, points: Float[np.ndarray, "n 2"], margin: float):
    """The part of the image around some points, with the x and y of its pixel centres; None when all outside."""
    height, width = image.shape[:2]
    left, top = np.floor(points.min(0) - margin).astype(int)
    right, bottom = np.ceil(points.max(0) + margin).astype(int)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return None
    x, y = np.arange(left, right)[None, :] + 0.5, np.arange(top, bottom)[:, None] + 0.5
    return image[top:bottom, left:right], x, y


def _blend(part: Image, depth: Float[np.ndarray, "height width"], colour: Colour) -> None:
    """Paint over where `depth` (pixels inside the edge) is positive; half a pixel either side is mixed."""
    cover = np.clip(depth + 0.5, 0, 1)[..., None]
    part[:] = np.round(part * (1 - cover) + np.asarray(colour) * cover).astype(np.uint8)


_FACE = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "+": (0, 4, 4, 31, 4, 4, 0),
    "-": (0, 0, 0, 31, 0, 0, 0),
    "*": (0, 4, 21, 14, 21, 4, 0),
    "=": (0, 0, 31, 0, 31, 0, 0),
    "?": (14, 17, 1, 2, 4, 0, 4),
    ".": (0, 0, 0, 0, 0, 12, 12),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
