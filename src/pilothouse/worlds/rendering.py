"""Whether MuJoCo can draw on this machine, and by which library.

With MUJOCO_GL=egl set and no libEGL, `import mujoco` itself fails; so each library is tried in a child process, and
the variable is set here only after the child drew a frame.
"""

import functools
import importlib.util
import os
import subprocess
import sys
from typing import NamedTuple

_PROBE = """
import mujoco
mujoco.set_mju_user_warning(lambda message: None)
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='1' rgba='1 0 0 1'/></worldbody></mujoco>"
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    frame = renderer.render()
print("drawn" if frame.max() > 0 else "blank")
"""


class Rendering(NamedTuple):
    """`backend` is `egl`, `osmesa`, what MUJOCO_GL asked for, or None; then `reason` says in one line why."""

    backend: str | None
    reason: str


@functools.cache
def rendering_backend() -> Rendering:
    """Find a library that draws, and set MUJOCO_GL to it; costs a second or two, once a process.

    A MUJOCO_GL that the user set is the only one tried.
    """
    if importlib.util.find_spec("mujoco") is None:
        return Rendering(None, 'rendering needs MuJoCo: pip install "pilothouse[mujoco]"')
    given = os.environ.get("MUJOCO_GL", "").strip().lower()
    faults = []
    for backend in (given,) if given else ("egl", "osmesa"):
        fault = _fault_of(backend)
        if fault is None:
            os.environ["MUJOCO_GL"] = backend
            return Rendering(backend, "")
        faults.append(f"{backend}: {fault}")
    return Rendering(None, f"no rendering on this machine ({'; '.join(faults)}); videos are left out")


def _fault_of(backend: str, seconds: float = 60.0) -> str | None:
    """None if a child process draws a frame by this backend, else its last line of complaint."""
    environment = {**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
    if backend not in ("egl", "osmesa"):
        environment.pop("PYOPENGL_PLATFORM")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], env=environment, capture_output=True, text=True, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return f"the probe did not finish ({type(fault).__name__})"
    if done.returncode == 0 and done.stdout.strip().endswith("drawn"):
        return None
    told = [line for line in (done.stderr + done.stdout).strip().splitlines() if line.strip()]
    return told[-1].strip()[:160] if told else f"the probe ended with code {done.returncode}"
