"""Inputs that a user wrote as JSON: tensors of a graph, lines of cases."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from freehold.artifact import Case, Manifest, Tensor, TensorSpec
from freehold.engine.base import Array
from freehold.errors import FreeholdError
from freehold.protocol import oip

FORMS = {
    "embed": '{"text": "..."}',
    "classify": '{"text": "..."}',
    "rerank": '{"query": "...", "text": "..."}',
    "generate": '{"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
    "tensor": '{"INPUT": [[0.5, ...], ...]} or {"INPUT": {"datatype": "FP32", "shape": [1, 16], "data": [...]}}',
}

Prompt = str | list[dict[str, Any]]
"""A text to continue, or the messages of a chat in OpenAI's form."""


class _PromptLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two, and not both."""

    prompt: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)] | None = None


def read_input(path: str) -> bytes:
    """A file's bytes; `-` is standard input. Raises FreeholdError `input_unreadable`."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise FreeholdError("input_unreadable", path=path, reason=error.strerror or str(error)) from None


def read_tensors(text: bytes, where: str, inputs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Every input of a graph from JSON: an Open Inference Protocol body, or an object by input name.

    A named input is `{"datatype", "shape", "data"}`, all but `data` optional, or the data alone, nested as its shape.
    Raises FreeholdError `input_malformed`, which says where.
    """
    try:
        document = msgspec.json.decode(text)
        if not isinstance(document, dict):
            raise TypeError(f"an object is wanted, not {type(document).__name__}")
        body = document if _is_body(document, inputs) else {"inputs": _named(document, inputs)}
        arrays = oip.parse_infer(msgspec.json.encode(body), None, inputs, ()).inputs
        return {name: _texts(array) if array.dtype.kind == "O" else array for name, array in arrays.items()}
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError) as error:
        raise _malformed(where, str(error), "tensor") from None
    except FreeholdError as error:
        raise _malformed(where, error.cause, "tensor") from None


def read_cases(path: str, manifest: Manifest) -> list[Case]:
    """The inputs of goldens to record, one JSON object a line; empty lines are passed over.

    Raises FreeholdError `input_unreadable`, `input_malformed` with the line, `golden_type_unsupported`.
    """
    return [_case(line, where, manifest) for where, line in _lines(path, manifest.kind)]


def read_prompts(path: str) -> list[Prompt]:
    """What a model that generates text is to answer, one JSON object a line; empty lines are passed over.

    Raises FreeholdError `input_unreadable`, `input_malformed` with the line.
    """
    return [_prompt(line, where) for where, line in _lines(path, "generate")]


def _lines(path: str, kind: str) -> list[tuple[str, bytes]]:
    """Where each line stands that is not empty, and the line."""
    lines = [(f"{path}:{number}", line) for number, line in enumerate(read_input(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise _malformed(path, "there is no line in it", kind)
    return lines


def _prompt(line: bytes, where: str) -> Prompt:
    try:
        read = msgspec.json.decode(line, type=_PromptLine)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _malformed(where, str(error), "generate") from None
    given = [one for one in (read.prompt, read.messages) if one is not None]
    if len(given) != 1:
        raise _malformed(where, "one of `prompt` and `messages` is wanted", "generate")
    return given[0]


def _case(line: bytes, where: str, manifest: Manifest) -> Case:
    if manifest.kind == "tensor":
        arrays = read_tensors(line, where, manifest.inputs)
        return Case({name: held(name, array) for name, array in arrays.items()}, {})
    wanted = {"query", "text"} if manifest.kind == "rerank" else {"text"}
    try:
        fields = msgspec.json.decode(line, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _malformed(where, str(error), manifest.kind) from None
    if set(fields) != wanted:
        raise _malformed(where, f"its keys are {sorted(fields)}, wanted are {sorted(wanted)}", manifest.kind)
    return Case(dict(fields), {})


def held(name: str, array: Array) -> Tensor:
    """`array` as a golden holds it. Raises FreeholdError `golden_type_unsupported`."""
    if array.dtype.kind == "O":
        raise FreeholdError("golden_type_unsupported", name=name, datatype="BYTES")
    return Tensor.of(array)


def _is_body(document: dict[str, Any], inputs: Sequence[TensorSpec]) -> bool:
    """Whether this is a whole request body, rather than an object whose one input happens to be called `inputs`."""
    value = document.get("inputs")
    return isinstance(value, list) and (bool(value and isinstance(value[0], dict)) or "inputs" not in _names(inputs))


def _named(document: dict[str, Any], inputs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    datatypes = {spec.name: spec.datatype for spec in inputs}
    messages = []
    for name, value in document.items():
        given = value if isinstance(value, dict) else {"data": value}
        data = given.get("data")
        defaults = {"datatype": datatypes.get(name, "FP32"), "shape": _shape(data)}
        messages.append({"name": name, **defaults, **given, "data": data if isinstance(data, list) else [data]})
    return messages


def _names(inputs: Sequence[TensorSpec]) -> set[str]:
    return {spec.name for spec in inputs}


def _shape(data: object) -> list[int]:
    """The shape that nested lists have along their first entries; what is ragged is refused later."""
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return shape


def _texts(array: Array) -> Array:
    """Bytes as text, which is all that ONNX's strings hold."""
    return np.array([item.decode() for item in array.ravel().tolist()], object).reshape(array.shape)


def _malformed(where: str, reason: str, kind: str) -> FreeholdError:
    return FreeholdError("input_malformed", where=where, reason=reason, form=FORMS[kind])
