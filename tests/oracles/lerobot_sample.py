"""Makes lerobot_v3/: a tiny dataset as lerobot 0.4.4 writes it (format v3.0), numbers and images that a formula gives.

Run by `make oracles`, in an environment of its own:

    python3 -m venv .bench/lerobot && .bench/lerobot/bin/pip install torch==2.13.0
    .bench/lerobot/bin/pip install --no-deps lerobot==0.4.4
    .bench/lerobot/bin/pip install "datasets>=4,<5" "numpy<2.4" accelerate av draccus einops jsonlines pillow opencv-python-headless
    .bench/lerobot/bin/python tests/oracles/lerobot_sample.py

The builds of torchvision that fit this torch are not on the index; lerobot imports it, and writes numbers without it.
"""

import importlib.machinery
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parent / "lerobot_v3"
LENGTHS = (4, 3, 5)


def stand_in(name: str) -> None:
    """An empty module of this name, of which every attribute is an empty class."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__path__ = []

    def attribute(wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        return type(wanted, (), {})

    module.__getattr__ = attribute  # type: ignore[method-assign]
    sys.modules[name] = module


for part in ("", ".transforms", ".transforms.v2", ".transforms.v2.functional", ".transforms.functional", ".io"):
    stand_in("torchvision" + part)

from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "z"]},
    "observation.image": {"dtype": "image", "shape": (8, 6, 3), "names": ["height", "width", "channels"]},
    "action": {"dtype": "float32", "shape": (2,), "names": ["left", "right"]},
    "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "next.success": {"dtype": "bool", "shape": (1,), "names": None},
}


def frame(episode: int, step: int) -> dict[str, Any]:
    """Frame `step` of an episode: its state is (episode, step, episode + step / 10), its image all `10 episode + step`."""
    last = step == LENGTHS[episode] - 1
    return {
        "observation.state": np.array([episode, step, episode + step / 10], np.float32),
        "observation.image": np.full((8, 6, 3), 10 * episode + step, np.uint8),
        "action": np.array([step / 8, -episode / 8], np.float32),
        "next.reward": np.array([step + 1], np.float32),
        "next.done": np.array([last]),
        "next.success": np.array([last and episode == 1]),
        "task": "reach",
    }


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    dataset = LeRobotDataset.create("pilothouse/sample", fps=10, features=FEATURES, root=OUT, use_videos=False)
    for episode, length in enumerate(LENGTHS):
        for step in range(length):
            dataset.add_frame(frame(episode, step))
        dataset.save_episode()
    dataset.finalize()
    shutil.rmtree(OUT / "images", ignore_errors=True)  # frames on their way into the tables


if __name__ == "__main__":
    main()
