#!/usr/bin/env bash
# tools/image.sh [option of docker build ...]   builds the image as BASE, VARIANT, TAG, ALIAS and APT_MIRROR of the
# environment say (`make image`). Everything is fetched here, outside: the build itself asks nothing of a network, unless
# BASE has no Python. DOCKER_HOST says which engine; docs/how-to/build-the-image.md has the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
variant=${VARIANT:-cpu}
case $variant in
    cpu) runtime=base suffix= ;;
    cuda) runtime=cuda suffix=-cuda ;;
    *) echo "VARIANT is cpu or cuda, not '$variant'" >&2; exit 2 ;;
esac
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/freehold/__init__.py)
name=${TAG:-freehold/freehold:$version$suffix}

tools/alias.sh "$name"
[ -z "${ALIAS:-}" ] || tools/alias.sh "$ALIAS"

wheels=$(PYTHON=$python tools/wheels.sh "requirements/$runtime.lock" requirements/image.lock)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/requirements" "$context/wheels"
cp Dockerfile pyproject.toml README.md LICENSE "$context"
cp requirements/*.lock "$context/requirements"
ln "$wheels"/*.whl "$context/wheels" 2>/dev/null || cp "$wheels"/*.whl "$context/wheels"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0) \
    "$python" -m hatchling build --target wheel --directory "$context/dist" >"$context/said" 2>&1 || {
        cat "$context/said" >&2
        exit 1
    }

options=(--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
options+=(--build-arg "VARIANT=$variant")
for argument in BASE APT_MIRROR; do [ -z "${!argument:-}" ] || options+=(--build-arg "$argument=${!argument}"); done
for proxy in {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY; do [ -z "${!proxy:-}" ] || options+=(--build-arg "$proxy"); done
docker build --quiet "${options[@]}" "$@" --tag "$name" "$context"
echo "$name"
[ -z "${ALIAS:-}" ] || tools/alias.sh "$ALIAS" "$name"
