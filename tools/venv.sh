#!/usr/bin/env bash
# tools/venv.sh FOLDER   makes a virtual environment there, with $PYTHON or the first Python >= 3.11 that runs.
set -euo pipefail

enough='import sys; sys.exit(sys.version_info < (3, 11))'
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    "$python" -c "$enough" 2>/dev/null && found=$python && break
done
if [ -z "${found:-}" ]; then
    echo "No Python >= 3.11 (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3}). Name one: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi

# Debian splits the standard library: without pythonX.Y-venv there is no ensurepip, and no pip in a new environment.
if ! "$found" -c 'import ensurepip' 2>/dev/null; then
    "$(dirname "$0")/need.sh" "ensurepip=$("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi
"$found" -m venv "$1"
