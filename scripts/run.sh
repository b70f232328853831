#!/usr/bin/env bash
# Sets up what is missing, runs the main job, and prints the path of its report as the very last line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$(date +%s)
scripts/setup.sh run
ready=$(date +%s)

number=1
while [ -e "runs/quickstart-$number" ]; do number=$((number + 1)); done
out=runs/quickstart-$number
.venv/bin/pilothouse quickstart --out "$out"
ended=$(date +%s)

report=$PWD/$out/report.html
if [ ! -s "$report" ]; then
    echo "The job ended without a report at $report" >&2
    exit 1
fi
echo "set-up: $((ready - started)) s"
echo "job: $((ended - ready)) s"
echo "$report"
