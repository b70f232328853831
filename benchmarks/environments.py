"""Makes the environments of the peers, under `.bench/`: nothing of theirs is ever installed beside ours."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".bench"


def python_of(environment: str) -> Path:
    """The interpreter of an environment, which is made or repaired first; `ours` is the one that runs this.

    The stamp of the requirements is written last, so an interrupted set-up is begun again.
    """
    if environment == "ours":
        return Path(sys.executable)
    requirements = HERE / "requirements" / f"{environment}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = FOLDER / environment
    stamp, python = folder / ".stamp", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    print(f"making .bench/{environment}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    # torch first and by itself: a looser requirement for it pulls builds of several gigabytes.
    torch = [line for line in requirements.read_text().splitlines() if line.startswith("torch==")]
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    if torch:
        subprocess.run([*install, *torch], check=True)
    subprocess.run([*install, "-r", str(requirements)], check=True)
    stamp.write_text(wanted)
    return python
