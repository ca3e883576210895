#!/usr/bin/env bash
# Writes requirements/*.lock: every version pinned with the hashes of all its files, no index URL, no machine path, so
# that mirrors and proxies work. What is locked stays; `make lock UPGRADE=--upgrade` moves everything, and
# `make lock UPGRADE="--upgrade-package NAME"` one package. A release younger than a week is not taken: bad ones are
# usually withdrawn within days. torch-cpu.lock and model.lock pin one file each and are written by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:?the path of uv; run this by "make lock"}

compile() { # compile LOCK SOURCE [option of uv ...]
    local lock=$1 source=$2
    shift 2
    "$uv" pip compile "$source" -o "$lock" --quiet --universal --python-version 3.11 --exclude-newer "7 days" \
        --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}

compile requirements/base.lock pyproject.toml "$@"
compile requirements/build.lock requirements/build.in "$@"
compile requirements/dev.lock requirements/dev.in "$@"
compile requirements/image.lock requirements/image.in "$@"
compile requirements/cuda.lock requirements/cuda.in --excludes requirements/cuda-without.txt "$@" pyproject.toml
compile requirements/torch.lock requirements/torch.in "$@"
compile src/freehold/adapt/locks/tensorflow.lock requirements/tensorflow.in "$@"
compile requirements/kserve.lock requirements/kserve.in --excludes requirements/kserve-without.txt "$@"
