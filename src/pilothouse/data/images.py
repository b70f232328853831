"""Images that a format keeps as JPEG."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pilothouse.core.errors import DataError, MissingExtraError


def decode_jpegs(frames: Sequence[Any] | np.ndarray, shape: tuple[int, ...], where: str) -> UInt8[np.ndarray, "..."]:
    """Frames of JPEG bytes as `[frame, *shape]`.

    **Raises:** `DataError` that begins with `where`, for bytes that are no JPEG image of that shape.
    """
    try:
        from PIL import Image
    except ImportError as fault:
        raise MissingExtraError("Reading a dataset of JPEG images", "report") from fault

    images = np.empty((len(frames), *shape), np.uint8)
    for row, frame in enumerate(frames):
        data = frame if isinstance(frame, bytes) else np.asarray(frame, np.uint8).tobytes()
        try:
            # The size is compared before any pixel is decoded; other decoders than JPEG's are not tried.
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                size = (image.height, image.width)
                pixels = np.asarray(image) if size == shape[:2] else None
        except Exception as fault:  # Pillow answers damaged bytes with many kinds of exception
            raise DataError(f"{where}: row {row} is no JPEG image. Record or download the dataset again.") from fault
        if pixels is None or pixels.shape != shape:
            found = size if pixels is None else pixels.shape
            raise DataError(f"{where}: row {row} is an image of shape {found}, expected {shape}. Correct the space.")
        images[row] = pixels
    return images
