"""What a server and its models say of themselves in the Open Inference Protocol, and how it says what is wrong."""

from collections.abc import Sequence

import msgspec

from freehold.artifact import TensorSpec
from freehold.protocol import wire

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "statistics",
)
"""Triton's names of those that are always served here, whole."""


class TensorMetadata(msgspec.Struct):
    """One input or output of a model; -1 is a free dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct):
    """What `GET /v2/models/{model}` answers. `properties` carries our kind, digest and proof, and of a
    classifier `labels`, a JSON list in the order of its logits."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: dict[str, str]


class ServerMetadata(msgspec.Struct):
    """What `GET /v2` answers; `extensions` are those that really work."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ModelReady(msgspec.Struct):
    """What `GET /v2/models/{model}/ready` answers."""

    name: str
    ready: bool


class ErrorBody(msgspec.Struct):
    """The one shape of every error under `/v2`."""

    error: str


def tensor_metadata(specs: Sequence[TensorSpec]) -> tuple[TensorMetadata, ...]:
    """Specs as metadata lists them."""
    return tuple(TensorMetadata(spec.name, spec.datatype, spec.shape) for spec in specs)


def encode_metadata(metadata: msgspec.Struct | Sequence[msgspec.Struct]) -> bytes:
    """Write one of the answers that carry no tensor."""
    return wire.encode(metadata)
