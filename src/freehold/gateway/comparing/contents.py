"""What kind of answer bytes are, and what in it can be compared: numbers, texts, an order, and all that must be equal.

What says nothing about the model's work is left out: identifiers, times, usage, and the names of model and server.
"""

import base64
import binascii
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from freehold.errors import FreeholdError
from freehold.gateway.comparing import transcript
from freehold.protocol.oip_tensors import DATATYPES, Datatype, from_binary, from_json

Kind = Literal["vectors", "scores", "tensors", "text", "json", "bytes", "error"]
Array = np.ndarray[Any, Any]

_INCIDENTAL = frozenset(
    {
        *("id", "created", "created_at", "usage", "system_fingerprint", "service_tier", "timings", "request_id"),
        *("model", "model_name", "model_version"),
    }
)
"""Keys of an answer's outermost object that belong to one run or one server."""


@dataclass(frozen=True)
class Answer:
    """An answer as it came. `header_length` is the value of `Inference-Header-Content-Length`, where it has one."""

    status: int
    content_type: str
    body: bytes
    header_length: int | None = None


@dataclass(frozen=True)
class Content:
    """What an answer says.

    `facts` must be equal, by their names; `numbers` are one array a vector or tensor, or one of all scores by rising
    index of their documents, whose ranking is `order`.
    """

    kind: Kind
    facts: Mapping[str, Hashable]
    numbers: tuple[Array, ...] = ()
    texts: tuple[str, ...] = ()
    order: tuple[int, ...] = ()


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]


class _Score(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None

    @property
    def value(self) -> float:
        """Under whichever name it came. Raises ValueError where it has none."""
        value = self.score if self.relevance_score is None else self.relevance_score
        if value is None:
            raise ValueError("a result without a score")
        return value


class _Results(msgspec.Struct):
    results: list[_Score]


class _Scores(msgspec.Struct):
    data: list[_Score]


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw = msgspec.Raw(b"[]")
    parameters: dict[str, Any] = {}


class _Outputs(msgspec.Struct):
    outputs: list[_Output]


_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VECTORS = msgspec.json.Decoder(_Vectors)
_RESULTS = msgspec.json.Decoder(_Results)
_SCORES = msgspec.json.Decoder(_Scores)
_LISTED = msgspec.json.Decoder(list[_Score])
_OUTPUTS = msgspec.json.Decoder(_Outputs)


def read(answer: Answer) -> Content:
    """What `answer` says; of one that is nothing known, its bytes. An error is only its status."""
    if answer.status >= 400:
        return Content("error", {"status": answer.status})
    try:
        if answer.content_type.startswith("text/event-stream"):
            said = transcript.streamed(answer.body)
            return _bytes(answer) if said is None else _text(answer, said)
        return _whole(answer)
    except (msgspec.DecodeError, FreeholdError, ValueError, OverflowError, RecursionError):
        return _bytes(answer)


def _whole(answer: Answer) -> Content:
    if answer.header_length is not None:
        return _tensors(answer, answer.header_length)
    try:
        known = _typed(answer, _KEYS.decode(answer.body))
    except msgspec.ValidationError:  # no object, or none of the shape that its keys promise
        known = _ranking(answer)
    return known or _json(answer)


def _typed(answer: Answer, keys: Mapping[str, msgspec.Raw]) -> Content | None:
    """Raises msgspec.ValidationError, FreeholdError and ValueError where it only looks like one of these."""
    body = answer.body
    if "choices" in keys or "text_output" in keys or bytes(keys.get("object", b"")) == b'"response"':
        said = transcript.whole(body)
        return None if said is None else _text(answer, said)
    if "results" in keys:
        return _scores(answer, _RESULTS.decode(body).results)
    if "outputs" in keys:
        return _tensors(answer, len(body))
    if "data" in keys:
        return _vectors(answer) if b'"embedding"' in body else _scores(answer, _SCORES.decode(body).data)
    return None


def _ranking(answer: Answer) -> Content | None:
    """A bare list of scores: text-embeddings-inference's rerank."""
    try:
        return _scores(answer, _LISTED.decode(answer.body))
    except (msgspec.ValidationError, ValueError):
        return None


def _vectors(answer: Answer) -> Content:
    rows = sorted(_VECTORS.decode(answer.body).data, key=lambda row: row.index)
    vectors = tuple(_vector(row.embedding) for row in rows)
    facts = {"status": answer.status, "vectors": len(vectors), "dimensions": tuple(len(vector) for vector in vectors)}
    return Content("vectors", facts, vectors)


def _vector(embedding: list[float] | str) -> Array:
    """`encoding_format: base64` is little-endian float32. Raises ValueError where it is not."""
    if not isinstance(embedding, str):
        return np.array(embedding, np.float64)
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    except binascii.Error as error:
        raise ValueError("a vector that is not base64") from error


def _scores(answer: Answer, results: list[_Score]) -> Content:
    order = tuple(result.index for result in results)
    by_document = sorted(results, key=lambda result: result.index)
    scores = np.array([result.value for result in by_document], np.float64)
    documents = tuple(result.index for result in by_document)
    return Content("scores", {"status": answer.status, "documents": documents}, (scores,), order=order)


def _tensors(answer: Answer, header_length: int) -> Content:
    """Outputs by their names, which may come in any order; in binary they follow one another in the JSON's."""
    place = header_length
    arrays: dict[str, tuple[str, Array]] = {}
    for output in _OUTPUTS.decode(answer.body[:header_length]).outputs:
        datatype = DATATYPES.get(output.datatype)
        if datatype is None:
            raise ValueError("a tensor of an unknown datatype")
        size = output.parameters.get("binary_data_size")
        if isinstance(size, int):
            array = from_binary(output.name, datatype, output.shape, answer.body, place, size)
            place += size
        else:
            array = from_json(output.name, datatype, output.shape, output.data)
        arrays[output.name] = (output.datatype, _widened(datatype, array))
    named = sorted(arrays.items())
    outputs = tuple((name, datatype, array.shape) for name, (datatype, array) in named)
    numbers = tuple(array for _, (_, array) in named if array.dtype.kind != "O")
    objects = (array.ravel().tolist() for _, (_, array) in named if array.dtype.kind == "O")
    texts = tuple(item.decode("utf-8", "surrogateescape") for items in objects for item in items)
    return Content("tensors", {"status": answer.status, "outputs": outputs}, numbers, texts)


def _widened(datatype: Datatype, array: Array) -> Array:
    """bfloat16, which travels as its bit patterns, as the float32 whose upper half it is."""
    return (array.astype(np.uint32) << 16).view(np.float32) if datatype.name == "BF16" else array


def _text(answer: Answer, choices: tuple[transcript.Said, ...]) -> Content:
    """Arguments of tools are compared as the JSON that they are, so that spaces in it do not count."""
    calls: list[Hashable] = []
    leaves = _Leaves()
    for choice in choices:
        for name, arguments in choice.calls:
            skeleton, leaves.skeleton = leaves.skeleton, []
            leaves.walk(_decoded(arguments))
            calls.append((name, tuple(leaves.skeleton)))
            leaves.skeleton = skeleton
    facts = {
        "status": answer.status,
        "choices": len(choices),
        "ending": tuple(choice.ending for choice in choices),
        "tool calls": (tuple(len(choice.calls) for choice in choices), tuple(calls)),
    }
    texts = (*(choice.text for choice in choices), *leaves.texts)
    return Content("text", facts, leaves.arrays, texts)


def _decoded(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:
        return arguments


def _json(answer: Answer) -> Content:
    value = msgspec.json.decode(answer.body)
    if isinstance(value, dict):
        value = {key: entry for key, entry in value.items() if key not in _INCIDENTAL}
    leaves = _Leaves()
    leaves.walk(value)
    facts = {"status": answer.status, "structure": tuple(leaves.skeleton)}
    return Content("json", facts, leaves.arrays, tuple(leaves.texts))


class _Leaves:
    """The numbers and texts of a JSON value, and its skeleton: everything else of it, with places left for those."""

    def __init__(self) -> None:
        self.skeleton: list[Hashable] = []
        self.texts: list[str] = []
        self._numbers: list[float] = []

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All numbers in one array, where there are any."""
        return (np.array(self._numbers, np.float64),) if self._numbers else ()

    def walk(self, value: object) -> None:
        """Add `value`. Raises RecursionError where it is too deep."""
        if isinstance(value, dict):
            self.skeleton += ["{", *sorted(value), "}"]
            for key in sorted(value):
                self.walk(value[key])
        elif isinstance(value, list):
            self.skeleton.append(("[", len(value)))
            for entry in value:
                self.walk(entry)
        elif isinstance(value, str):
            self.skeleton.append('"')
            self.texts.append(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.skeleton.append("0")
            self._numbers.append(float(value))
        else:
            self.skeleton.append(str(value))


def _bytes(answer: Answer) -> Content:
    media = answer.content_type.partition(";")[0].strip().lower()
    return Content("bytes", {"status": answer.status, "content type": media, "bytes": answer.body})
