#!/usr/bin/env bash
# Writes requirements/*.lock: every version pinned with the hashes of all its files, no index URL, no machine path, so
# that mirrors and proxies work. What is locked stays; `make lock UPGRADE=--upgrade` moves everything, and
# `make lock UPGRADE="--upgrade-package NAME"` one package. A release younger than a week is not taken: bad ones are
# usually withdrawn within days. torch-cpu.lock and model.lock pin one file each and are written by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:?the path of uv; run this by "make lock"}

compile() { # compile LOCK SOURCE [option of uv ...]
    local lock=requirements/$1.lock source=$2
    shift 2
    "$uv" pip compile "$source" -o "$lock" --quiet --universal --python-version 3.11 --exclude-newer "7 days" \
        --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}

compile base pyproject.toml "$@"
compile build requirements/build.in "$@"
compile dev requirements/dev.in "$@"
compile torch requirements/torch.in "$@"
compile tensorflow requirements/tensorflow.in "$@"
