#!/usr/bin/env bash
# tools/alias.sh NAME [IMAGE]   gives our image IMAGE one more name, and refuses one that a foreign image has: that is
# never replaced. Without IMAGE it only looks. `make image ALIAS=NAME` builds and does this.
set -euo pipefail

name=$1
title='{{index .Config.Labels "org.opencontainers.image.title"}}'
if found=$(docker image inspect --format "$title" "$name" 2>/dev/null) && [ "$found" != freehold ]; then
    echo "$name is an image that is not ours, and is left alone. Choose another name, or rename it first:" \
        "docker tag $name ${name%:*}:before && docker rmi $name" >&2
    exit 1
fi
if [ -n "${2:-}" ]; then
    docker tag "$2" "$name"
    echo "$name"
fi
