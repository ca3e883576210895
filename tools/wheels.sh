#!/usr/bin/env bash
# tools/wheels.sh LOCK ...   prints the folder that has every wheel of these locks, fetched by hash unless it is there:
# for Python $IMAGE_PYTHON (3.11) on Linux of $IMAGE_MACHINE (this machine's), with the glibc of Debian 12 or a newer one.
set -euo pipefail

python=${IMAGE_PYTHON:-3.11}
machine=${IMAGE_MACHINE:-$(uname -m)}
key=$(cat "$@" | sha256sum | cut -c1-12)
folder=$(cd "$(dirname "$0")/.." && pwd)/.cache/wheels-$python-$machine-$key

if [ ! -e "$folder/complete" ]; then
    options=()
    for lock in "$@"; do options+=(--requirement "$lock"); done
    for glibc in $(seq 36 -1 17); do options+=(--platform "manylinux_2_${glibc}_$machine"); done
    "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --python-version "$python" --platform "manylinux2014_$machine" "${options[@]}" --dest "$folder" >&2
    touch "$folder/complete"
fi
echo "$folder"
