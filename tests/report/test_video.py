"""Videos: small, even, playable; and a reason where there is none."""

import builtins
import subprocess

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.report import video as video_module
from pilothouse.report.video import encode_video


def without(monkeypatch, *names: str) -> None:
    real = builtins.__import__

    def guarded(name, *rest, **more):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", guarded)


def test_mp4_of_the_colours_that_browsers_play(samples):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    video = encode_video(samples.swinging(12, 61, 83), fps=15)
    assert video.media_type == "video/mp4" and video.data[4:8] == b"ftyp" and not video.reason
    # Odd sides are padded, since the colour format halves them. The index comes before the pictures.
    assert (video.width, video.height) == (84, 62)
    assert video.data.index(b"moov") < video.data.index(b"mdat")
    asked = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", "-"]
    told = subprocess.run(asked, input=video.data, capture_output=True).stderr.decode()
    assert "h264" in told and "yuv420p" in told and f"{video.width}x{video.height}" in told and "15 fps" in told


def test_same_frames_same_bytes(samples):
    pytest.importorskip("imageio_ffmpeg")
    frames = samples.swinging(5, 32, 32)
    assert encode_video(frames).data == encode_video(frames).data


def test_gif_where_there_is_no_ffmpeg(samples, monkeypatch):
    pytest.importorskip("PIL")
    without(monkeypatch, "imageio_ffmpeg")
    video = encode_video(samples.swinging(4, 32, 48), fps=10)
    assert video.media_type == "image/gif" and video.data.startswith(b"GIF89a")


def test_a_reason_where_there_is_neither(samples, monkeypatch):
    without(monkeypatch, "imageio_ffmpeg", "PIL")
    video = encode_video(samples.swinging(2, 16, 16))
    assert video.data is None and "pip install" in video.reason and "\n" not in video.reason


def test_ffmpeg_that_fails_is_no_fault_of_the_caller(samples, monkeypatch):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    pytest.importorskip("PIL")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/bin/false")
    assert encode_video(samples.swinging(2, 16, 16)).media_type == "image/gif"


def test_noise_is_scaled_down_until_it_fits():
    pytest.importorskip("imageio_ffmpeg")
    noise = list(np.random.default_rng(0).integers(0, 256, (16, 64, 96, 3), np.uint8))
    large = encode_video(noise, fps=20)
    small = encode_video(noise, fps=20, largest=len(large.data) // 4)
    assert len(small.data) <= len(large.data) // 4
    assert (small.width < 96 or small.fps < 20) and "Scaled down" in small.reason
    assert small.fps * 16 == pytest.approx(20 * 16 * small.fps / 20)
    none = encode_video(noise, largest=10)
    assert none.data is None and "do not fit" in none.reason


def test_wide_frames_are_shrunk_to_what_a_page_shows():
    frame = np.zeros((100, 960, 3), np.uint8)
    frame[:, 480:] = 255
    (small,) = video_module._shrunk([frame], 0.5)
    assert small.shape == (50, 480, 3) and small[0, 239, 0] == 0 and small[0, 240, 0] == 255


def test_shrinking_averages():
    # Four pixels, 0, 100, 100 and 200, become one of 100, in each quarter.
    frame = np.tile(np.array([[0, 100], [100, 200]], np.uint8)[:, :, None], (2, 2, 3))
    (small,) = video_module._shrunk([frame], 0.5)
    assert small.shape == (2, 2, 3) and (small == 100).all()


def test_no_frames_and_wrong_frames():
    assert encode_video([]).data is None
    with pytest.raises(DataError, match="Frame 1 has shape"):
        encode_video([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)])
