"""Which files beside an ONNX graph hold its weights."""

import hashlib
import mmap
import re
from pathlib import Path

from freehold.artifact.artifact import sha256_of

# onnx.proto: TensorProto.external_data is a list of StringStringEntryProto {key = 1, value = 2}; this is the key
# "location" and the tag of its value. Reading them so needs no second copy of a graph of gigabytes in memory.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])")


def external_data(graph: Path) -> list[Path]:
    """The files in which `graph` says that weights lie and that are there, in name order."""
    if graph.stat().st_size == 0:
        return []
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        names = {data[found.end() : found.end() + _length(found[1])] for found in _LOCATION.finditer(data)}
    paths = [graph.parent / name.decode("utf-8", "replace") for name in sorted(names)]
    return [path for path in paths if path.is_file()]


def weight_bytes(graph: Path) -> int:
    """Size of the graph and of its external data, in bytes."""
    return sum(path.stat().st_size for path in (graph, *external_data(graph)))


def graph_digest(graph: Path) -> str:
    """ "sha256:<hex>" of the graph; where weights lie outside of it, of the digests of all its files."""
    own, others = sha256_of(graph), external_data(graph)
    if others:
        own = hashlib.sha256("\n".join([own, *map(sha256_of, others)]).encode()).hexdigest()
    return f"sha256:{own}"


def _length(varint: bytes) -> int:
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(varint))
