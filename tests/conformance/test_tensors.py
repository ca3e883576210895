"""Any tensor of any datatype and shape comes back as it was sent, however it and the answer are encoded."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.calls import proves
from tests.conformance.graphs import TYPES
from tests.conformance.samples import FIELDS, Array
from tests.conformance.wire import Address, exchange

SIZES = pytest.mark.parametrize("examples", [100, pytest.param(5000, marks=pytest.mark.soak)])
HALVES = ("FP16", "BF16")
FORMS = ("flat", "nested", "binary")


def values_of(datatype: str) -> st.SearchStrategy[Any]:
    """One element: every number that the datatype has and JSON too, any text and any bytes."""
    if datatype == "BYTES":
        return st.text(max_size=6).map(str.encode) | st.binary(max_size=6)
    if datatype == "BOOL":
        return st.booleans()
    kind = np.dtype(TYPES[datatype][1])
    if kind.kind == "f":
        return st.floats(width=kind.itemsize * 8, allow_nan=False, allow_infinity=False)
    limits = np.iinfo(kind)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, Array]:
    """A datatype, and rows by columns of it, either of which may be none."""
    datatype = draw(st.sampled_from(list(TYPES)))
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    count = shape[0] * shape[1]
    array = np.empty(count, TYPES[datatype][1])
    array[:] = draw(st.lists(values_of(datatype), min_size=count, max_size=count))
    return datatype, array.reshape(shape)


def packed(array: Array) -> bytes:
    """The bytes of a tensor: little endian, row by row; of strings each with its length in front."""
    if array.dtype != object:
        return array.tobytes()
    return b"".join(len(item).to_bytes(4, "little") + item for item in array.ravel())


def plain(array: Array) -> Array | None:
    """The tensor with texts in place of bytes, as JSON has it; None where it has no form for it."""
    if array.dtype != object:
        return array
    texts = np.empty(array.shape, object)
    try:
        texts.ravel()[:] = [item.decode() for item in array.ravel()]
    except UnicodeDecodeError:
        return None
    return texts


def ask(address: Address, model: str, datatype: str, array: Array, form: str, wanted: str) -> tuple[list[int], Any]:
    """Send the tensor in one form and have it back in another: its shape there, and bytes or a flat list."""
    put: dict[str, Any] = {"name": "x", "datatype": datatype, "shape": list(array.shape)}
    tail = packed(array) if form == "binary" else b""
    if form == "binary":
        put["parameters"] = {"binary_data_size": len(tail)}
    else:
        values = plain(array)
        assert values is not None
        put["data"] = values.ravel().tolist() if form == "flat" else values.tolist()
    output = {"name": "y", "parameters": {"binary_data": wanted == "binary"}}
    text = json.dumps({"inputs": [put], "outputs": [output]}).encode()
    headers = [f"Inference-Header-Content-Length: {len(text)}"] if form == "binary" else []
    answer = exchange(address, f"POST /v2/models/{model}/infer", text + tail, *headers)
    assert answer.status == 200, answer.body
    (given_back,) = answer.json()["outputs"]
    return given_back["shape"], answer.tail() if wanted == "binary" else given_back["data"]


def any_of(examples: int, *drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Try a function with so many examples."""
    return lambda test: settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))(
        given(*drawn)(test)
    )


@proves("infer", "infer binary")
@SIZES
def test_a_tensor_comes_back_as_it_was_sent(address: Address, examples: int) -> None:
    """Zero rows and columns included; half precision has no JSON, nor have bytes that are no text: they travel as
    bytes."""

    @any_of(examples, tensors(), st.sampled_from(FORMS), st.sampled_from(FORMS))
    def send(tensor: tuple[str, Array], form: str, wanted: str) -> None:
        datatype, array = tensor
        values = None if datatype in HALVES else plain(array)
        if values is None:
            form = wanted = "binary"
        shape, data = ask(address, f"echo_{datatype.lower()}", datatype, array, form, wanted)
        assert shape == list(array.shape)
        assert data == (packed(array) if values is None or wanted == "binary" else values.ravel().tolist())

    send()


@proves("infer binary", "infer typed", over="gRPC")
@SIZES
def test_a_tensor_comes_back_over_grpc(stub: Any, examples: int) -> None:
    """Sent raw or as typed contents, it comes back raw: the same bytes."""

    @any_of(examples, tensors(), st.booleans())
    def send(tensor: tuple[str, Array], typed: bool) -> None:
        datatype, array = tensor
        asked = pb.ModelInferRequest(model_name=f"echo_{datatype.lower()}")
        put = asked.inputs.add(name="x", datatype=datatype, shape=array.shape)
        if typed and datatype in FIELDS:
            getattr(put.contents, FIELDS[datatype]).extend(array.ravel().tolist())
        else:
            asked.raw_input_contents.append(packed(array))
        answer = stub.ModelInfer(asked, timeout=20)
        assert list(answer.outputs[0].shape) == list(array.shape)
        assert list(answer.raw_output_contents) == [packed(array)]

    send()


@proves("infer", "infer binary")
@SIZES
def test_a_tensor_without_dimensions_comes_back(address: Address, examples: int) -> None:
    """One number, shape []: as a list of one, as the number itself, as its bytes."""
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)

    @any_of(examples, numbers, st.sampled_from(FORMS), st.sampled_from(FORMS))
    def send(number: float, form: str, wanted: str) -> None:
        array = np.array(number, "<f4")
        shape, data = ask(address, "scalar", "FP32", array, form, wanted)
        assert shape == []
        assert data == (array.tobytes() if wanted == "binary" else [float(array)])

    send()
