#!/usr/bin/env bash
# Compiles the .proto files of the package into the descriptors that it carries. tests/protocol/grpc checks that they
# are current.
set -euo pipefail
cd "$(dirname "$0")/../src/freehold/protocol/grpc"

"${PYTHON:-../../../../.venv/bin/python}" -m grpc_tools.protoc -I . --descriptor_set_out="${1:-descriptors.binpb}" ./*.proto
