#!/usr/bin/env bash
# Creates or repairs .venv for a profile: `run` (what the main job needs) or `test` (that, and the development tools).
# The stamp of a finished set-up is written last. An interrupted one leaves .venv/.unfinished, and is begun again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=${1:-run}
case $profile in
    run) extras=mujoco,report ;;
    test) extras=mujoco,report,view,language,math,torch,onnx,dev ;;
    *) echo "setup.sh: unknown profile '$profile': run or test" >&2; exit 2 ;;
esac
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed; '$python' is not. Name another: make PYTHON=/path/to/python3" >&2
    exit 2
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "Python's venv module is missing. Install it with: apt-get install python3-venv" >&2
    exit 2
fi

# One set-up at a time, and none beside the pip that a killed one may have left running: it holds the lock too.
mkdir -p .cache
exec 9>.cache/set-up.lock
flock 9

# The stamp names the extras (they stand in this file) and the folder too: a virtual environment does not survive being moved.
wanted=$({ cat pyproject.toml constraints.txt scripts/setup.sh; pwd; "$python" -c 'import sys; print(sys.version)'; } | sha256sum | cut -d' ' -f1)
finished() { [ -x .venv/bin/python ] && [ ! -e .venv/.unfinished ] && [ "$(cat ".venv/.stamp-$1" 2>/dev/null)" = "$wanted" ]; }
if finished "$profile" || { [ "$profile" = run ] && finished test; }; then
    exit 0
fi

if [ -e .venv/.unfinished ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Creating .venv" >&2
    rm -rf .venv
    mkdir .venv
    touch .venv/.unfinished
    "$python" -m venv .venv
fi
touch .venv/.unfinished
rm -f .venv/.stamp-*
echo "Installing pilothouse[$extras] with the tested versions (about a minute, once)" >&2
# Byte code is compiled when first imported: compiling all of it takes longer than installing it.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[$extras]"
rm .venv/.unfinished
echo "$wanted" > ".venv/.stamp-$profile"
