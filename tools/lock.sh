#!/usr/bin/env bash
# Writes requirements/*.lock: every version pinned with the hashes of all its files, no index URL, no machine path, so
# that mirrors and proxies work. What is locked stays; `make lock UPGRADE=--upgrade` moves everything, and
# `make lock UPGRADE="--upgrade-package NAME"` one package. A release younger than a week is not taken: bad ones are
# usually withdrawn within days.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:?the path of uv; run this by "make lock"}
torch_cpu_build=6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b # torch 2.13.0+cpu, cp311, x86_64

compile() { # compile LOCK SOURCE [option of uv ...]
    local lock=requirements/$1.lock source=$2
    shift 2
    "$uv" pip compile "$source" -o "$lock" --quiet --universal --python-version 3.11 --exclude-newer "7 days" \
        --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}

compile base pyproject.toml "$@"
compile build requirements/build.in "$@"
compile dev requirements/dev.in "$@"
compile torch requirements/torch.in --no-deps

# The resolver sees only the index's files; pip may also find the CPU build, by PIP_FIND_LINKS for instance.
locked=$(cat requirements/torch.lock)
printf '%s \\\n    --hash=sha256:%s\n' "$locked" "$torch_cpu_build" >requirements/torch.lock
