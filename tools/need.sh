#!/usr/bin/env bash
# tools/need.sh COMMAND=PACKAGE ...   makes sure that each command, or file, is there: as root from Debian's packages, else
# it says what to install. Nothing is asked of a package server while all of them are there.
set -euo pipefail

missing=()
for pair in "$@"; do
    [ -e "${pair%%=*}" ] || command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing system packages: ${missing[*]}. Install them as root, for instance: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
