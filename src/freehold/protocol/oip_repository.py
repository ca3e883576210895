"""Triton's model repository extension: bodies of index, load and unload, over REST.

Source: `extension_model_repository.md` of Triton's documents. Clients send no body at all, or one of length 0, where
there is nothing to say.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.oip_request import Parameter, flag

FILE = "file:"
"""What a parameter is called that carries a file of the model: this, then its path."""


class IndexBody(msgspec.Struct):
    """`ready`: list only what answers."""

    ready: bool = False


class LoadBody(msgspec.Struct):
    """`config` is a model's configuration as a JSON text, `file:1/model.onnx` the content of that file in base64."""

    parameters: dict[str, Parameter] = {}


class IndexEntry(msgspec.Struct):
    """One version of a model. `state`: READY, LOADING, UNLOADING or UNAVAILABLE; `reason` says why it is not ready."""

    name: str
    version: str
    state: str
    reason: str


class Wanted(NamedTuple):
    """What a load says of a model: the fields of Triton's `ModelConfig`, and files by their paths."""

    config: Mapping[str, Any]
    files: Mapping[str, bytes]


_INDEX = msgspec.json.Decoder(IndexBody)
_LOAD = msgspec.json.Decoder(LoadBody)
_CONFIG = msgspec.json.Decoder(dict[str, Any])


def parse_index(body: bytes) -> IndexBody:
    """Read what an index is asked of. Raises FreeholdError of kind INVALID."""
    return wire.decode(_INDEX, body) if body.strip() else IndexBody()


def parse_load(body: bytes) -> Wanted:
    """Read what to load. Raises FreeholdError of kind INVALID."""
    parameters = wire.decode(_LOAD, body).parameters if body.strip() else {}
    return wanted(
        {name: _content(name, value) if name.startswith(FILE) else value for name, value in parameters.items()}
    )


def parse_unload(body: bytes) -> None:
    """Read what to unload. Nothing depends on a model here, so that `unload_dependents` changes nothing.

    Raises FreeholdError of kind INVALID.
    """
    if body.strip():
        flag(wire.decode(_LOAD, body).parameters, "unload_dependents", False)


def wanted(parameters: Mapping[str, Parameter | bytes]) -> Wanted:
    """What the parameters of a load say, files as bytes. Raises `parameter_invalid`, `parameter_unsupported`."""
    config: Mapping[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, value in parameters.items():
        if name == "config":
            config = _parse_config(value)
        elif not name.startswith(FILE):
            raise FreeholdError("parameter_unsupported", parameter=wire.brief(name))
        elif isinstance(value, bytes):
            files[_path(name)] = value
        else:
            raise FreeholdError("parameter_invalid", parameter=name, value=wire.brief(value), expected="bytes")
    return Wanted(config, files)


def _content(name: str, value: Parameter) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FreeholdError(
            "parameter_invalid", parameter=wire.brief(name), value=wire.brief(value), expected="base64"
        ) from error


def _parse_config(value: Parameter | bytes) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            return wire.decode(_CONFIG, value.encode())
        except FreeholdError as error:
            wrong = error
    else:
        wrong = None
    raise FreeholdError(
        "parameter_invalid", parameter="config", value=wire.brief(value), expected="a JSON object as a string"
    ) from wrong


def _path(name: str) -> str:
    """The path that a parameter names, below the model's folder: `VERSION/FILE`. Raises `parameter_invalid`."""
    path = name.removeprefix(FILE)
    parts = path.split("/")
    if len(parts) < 2 or not all(part.isprintable() and part.strip(". ") and "\\" not in part for part in parts):
        raise FreeholdError(
            "parameter_invalid", parameter=wire.brief(name), value=wire.brief(path), expected="file:VERSION/FILE"
        )
    return path
