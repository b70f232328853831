"""Frames to a video small enough to live inside a page.

With `imageio-ffmpeg` (the extra `[report]`) an MP4 that every browser plays; with Pillow alone an animated GIF;
with neither nothing, and one line that says how to get it.
"""

import contextlib
import io
import math
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pilothouse.core.errors import DataError

LARGEST_VIDEO = 4_000_000
"""Bytes of an encoded video, before it is written as text into the page (which takes a third more)."""

WIDEST = 480
"""Pixels; wider frames are scaled down: a page shows them no larger."""

_ATTEMPTS = ((1.0, 1, 24), (1.0, 1, 30), (0.75, 2, 30), (0.5, 2, 34), (0.34, 4, 38), (0.25, 8, 42))
"""(scale, keep each n-th frame, compression: higher is smaller) tried in this order until it is small enough."""


@dataclass(frozen=True)
class Video:
    """An encoded video, or, where `data` is None, the `reason` why there is none.

    `media_type` is `video/mp4` or `image/gif`; `width` and `height` are in pixels, `fps` in frames a second. With
    `data`, `reason` says what was given up to make it small, or is empty.
    """

    data: bytes | None
    media_type: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    reason: str = ""


def no_video(reason: str) -> Video:
    return Video(None, reason=reason)


def encode_video(
    frames: Sequence[UInt8[np.ndarray, "height width 3"]], *, fps: float = 30.0, largest: int = LARGEST_VIDEO
) -> Video:
    """Encodes frames, scaling and thinning them until the result has at most `largest` bytes.

    **Arguments:**
    - `frames`: at least one, all of one shape, RGB, 0 to 255.
    - `fps`: frames a second in playing; thinned videos keep their duration.

    **Returns:** the video; without data where there are no frames, no encoder, or no way to make it small enough.

    **Raises:** `DataError` for frames that differ in shape or are not RGB.
    """
    if not frames:
        return no_video("No video: no frames were rendered.")
    _check(frames)
    small = _shrunk(frames, min(1.0, WIDEST / frames[0].shape[1]))
    reasons = []
    for encode, media_type in ((_mp4, "video/mp4"), (_gif, "image/gif")):
        try:
            return _fitting(small, fps, largest, encode, media_type)
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as fault:
            reasons.append(str(fault).strip().splitlines()[-1] if str(fault).strip() else type(fault).__name__)
    why = "; ".join(reasons)
    return no_video(f'No video: there is no encoder ({why}). Install one with `pip install "pilothouse[report]"`.')


def _check(frames: Sequence[np.ndarray]) -> None:
    shape = frames[0].shape
    for place, frame in enumerate(frames):
        if frame.shape != shape or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise DataError(
                f"Frame {place} has shape {frame.shape}; expected (height, width, 3) like the first, {shape}. "
                "Render RGB frames of one size."
            )


_Encoder = Callable[[Sequence[np.ndarray], float, int], bytes]


def _fitting(frames: Sequence[np.ndarray], fps: float, largest: int, encode: _Encoder, media_type: str) -> Video:
    for scale, every, compression in _ATTEMPTS:
        kept = _shrunk(frames[::every], scale)
        data = encode(kept, fps / every, compression)
        if len(data) <= largest:
            height, width, _ = kept[0].shape
            lessened = scale < 1 or every > 1
            reason = "Scaled down, with fewer frames a second, to keep this file small." if lessened else ""
            return Video(data, media_type, width, height, fps / every, reason)
    return no_video(f"No video: {len(frames):,} frames do not fit into {largest / 1e6:.1f} MB. Record fewer.")


def _shrunk(frames: Sequence[np.ndarray], scale: float) -> list[np.ndarray]:
    """Frames scaled by averaging areas, to even sides, as the colour format of MP4 requires."""
    height, width, _ = frames[0].shape
    rows, columns = _cuts(height, scale), _cuts(width, scale)
    return [_averaged(frame, rows, columns) for frame in frames]


def _cuts(length: int, scale: float) -> np.ndarray:
    size = max(2 * math.ceil(length * scale / 2 - 1e-9), 2)
    return np.linspace(0, length, size + 1).round().astype(int) if size < length else np.arange(size + 1)


def _averaged(frame: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    padded = np.pad(
        frame, ((0, max(rows[-1] - len(frame), 0)), (0, max(columns[-1] - frame.shape[1], 0)), (0, 0)), "edge"
    )
    if len(rows) - 1 == len(padded) and len(columns) - 1 == padded.shape[1]:
        return padded
    sums = np.add.reduceat(np.add.reduceat(padded, rows[:-1], axis=0, dtype=np.uint32), columns[:-1], axis=1)
    areas = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return (sums / areas).round().astype(np.uint8)


def _mp4(frames: Sequence[np.ndarray], fps: float, compression: int) -> bytes:
    """H.264 in the one colour format that every browser decodes, with its index at the front."""
    import imageio_ffmpeg

    height, width, _ = frames[0].shape
    with tempfile.TemporaryDirectory(prefix="pilothouse-video-") as folder:
        target = Path(folder) / "video.mp4"
        command = [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"),
            *("-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(compression), "-preset", "medium"),
            *("-threads", "2", "-movflags", "+faststart", "-map_metadata", "-1", "-fflags", "+bitexact", str(target)),
        ]
        with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as process:
            _feed(process, frames)
            if process.wait(timeout=120) or not target.exists():
                said.seek(0)
                raise RuntimeError(f"ffmpeg failed: {said.read().decode('utf-8', 'replace').strip()[-200:]}")
        return target.read_bytes()


def _feed(process: subprocess.Popen[bytes], frames: Sequence[np.ndarray]) -> None:
    """Frame by frame: an episode as one piece of bytes would double the memory."""
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # ffmpeg says itself why it stopped
        for frame in frames:
            pipe.write(np.ascontiguousarray(frame).tobytes())


def _gif(frames: Sequence[np.ndarray], fps: float, compression: int) -> bytes:
    """An animated GIF; stronger compression is fewer colours."""
    from PIL import Image

    colours = max(256 >> max((compression - 24) // 4, 0), 16)
    images = [Image.fromarray(frame).quantize(colours) for frame in frames]
    target = io.BytesIO()
    images[0].save(target, "GIF", save_all=True, append_images=images[1:], duration=1000 / fps, loop=0, optimize=True)
    return target.getvalue()
