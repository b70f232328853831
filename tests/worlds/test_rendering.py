import os
import subprocess
import sys

import numpy as np
import pytest

from pilothouse.worlds import rendering
from pilothouse.worlds.host import GymnasiumWorld
from pilothouse.worlds.rendering import rendering_backend


def test_a_backend_that_cannot_draw_is_told_in_one_line_and_not_set(monkeypatch):
    monkeypatch.setattr(rendering, "_PROBE", "raise SystemExit('libEGL.so.1: no such file')")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    backend, reason = rendering_backend.__wrapped__()
    assert backend is None and "egl: libEGL.so.1: no such file" in reason and "osmesa" in reason and "\n" not in reason
    assert "MUJOCO_GL" not in os.environ


def test_what_the_user_chose_is_the_only_one_tried(monkeypatch):
    monkeypatch.setattr(rendering, "_PROBE", "import os; print('drawn' if os.environ['MUJOCO_GL'] == 'glfw' else '')")
    monkeypatch.setenv("MUJOCO_GL", "GLFW")
    assert rendering_backend.__wrapped__() == ("glfw", "")


def test_without_mujoco_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(rendering.importlib.util, "find_spec", lambda name: None)
    assert "pilothouse[mujoco]" in rendering_backend.__wrapped__().reason


def test_probing_imports_no_mujoco_here():
    code = "import sys; from pilothouse.worlds.rendering import *; rendering_backend(); print('mujoco' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_simulator_draws_frames():
    backend, reason = rendering_backend()
    if backend is None:
        pytest.skip(reason)
    world = GymnasiumWorld("InvertedPendulum-v5", render_mode="rgb_array", width=64, height=64)
    world.reset([0], [0])
    first = world.render(0)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 0
    for _ in range(5):
        world.step(np.full((1, 1), 3.0, np.float32))
    assert (world.render(0) != first).any()
    world.close()
