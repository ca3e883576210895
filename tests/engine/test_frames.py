"""What passes between front and engine process arrives as it was sent."""

import asyncio
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from freehold.artifact import MadeBy, Manifest, TensorSpec
from freehold.engine import frames
from freehold.engine.base import Answer, Capacity, EmbedRequest, Request, RerankRequest, TensorRequest
from freehold.engine.batcher import Batch
from freehold.engine.frames import FROM_ENGINE, HEAD, TO_ENGINE, Packed, Trouble, frame, read_frame
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

DTYPES = ["?", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def there(message: frames.ToEngine) -> frames.ToEngine:
    return TO_ENGINE.decode(bytes(frame(message))[HEAD.size :])


def back(message: frames.FromEngine) -> frames.FromEngine:
    return FROM_ENGINE.decode(bytes(frame(message))[HEAD.size :])


async def read(data: bytes) -> bytes:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_frame(reader)


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(np.dtype(dtype), SHAPES)))
@settings(deadline=None)
def test_an_array_of_any_type_and_shape_arrives_bit_for_bit(array: np.ndarray) -> None:
    """NaN payloads, empty dimensions and scalars included."""
    message = there(frames.infer_of(1, TensorRequest({"x": array}), 1.0))
    assert isinstance(message, frames.Infer)
    request = frames.request_of(message)
    assert isinstance(request, TensorRequest)
    seen = request.inputs["x"]
    assert (seen.dtype, seen.shape, seen.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(arrays.arrays(object, SHAPES, elements=st.text() | st.binary()))
@settings(deadline=None)
def test_strings_and_bytes_arrive_as_what_they_were(array: np.ndarray) -> None:
    """BYTES tensors hold either."""
    message = back(frames.answered_of(1, Answer({"y": array})))
    assert isinstance(message, frames.Answered)
    seen = frames.answer_of(message).outputs["y"]
    assert seen.shape == array.shape
    assert [(type(element), element) for element in seen.ravel()] == [(type(e), e) for e in array.ravel()]


def test_a_view_with_strides_is_packed_in_order() -> None:
    """Slices of batch outputs are such views."""
    array = np.arange(24).reshape(4, 6)[::2, 1::2]
    np.testing.assert_array_equal(Packed.of(array).array(), array)


@pytest.mark.parametrize(
    "request_",
    [
        EmbedRequest(["a text", [2, 5, 3], ""]),
        RerankRequest("query", ["one", "二"]),
        RerankRequest("", []),
        TensorRequest({"x": np.ones((1, 2), np.float32)}, ("y", "z")),
    ],
    ids=["embed", "rerank", "rerank nothing", "tensor"],
)
def test_a_request_of_each_kind_arrives_whole(request_: Request) -> None:
    """Number, time, whether it lets others go first, and body."""
    message = there(frames.infer_of(7, request_, 2.5, later=True))
    assert isinstance(message, frames.Infer)
    assert (message.id, message.within_s, message.later) == (7, 2.5, True)
    seen = frames.request_of(message)
    assert type(seen) is type(request_)
    if isinstance(request_, TensorRequest):
        assert isinstance(seen, TensorRequest)
        assert seen.outputs == request_.outputs
    else:
        assert seen == request_


def test_a_request_without_a_deadline_travels() -> None:
    """Infinity is a number of seconds."""
    message = there(frames.infer_of(7, EmbedRequest([""]), math.inf))
    assert isinstance(message, frames.Infer)
    assert message.within_s == math.inf


def test_what_a_process_is_told_to_open_arrives_whole() -> None:
    """Paths in the settings are paths again."""
    settings_ = EngineSettings(device="openvino", input_shape=(1, -1), state=Path("/state"), cores=3, tune=False)
    message = frames.Open("/model", "name", settings_, "text", "info")
    assert there(message) == message


def test_what_a_process_opened_arrives_whole() -> None:
    """Manifest, proof with its failure, and capacity."""
    manifest = Manifest(
        1, "m", "tensor", "tensor", "fp32", (TensorSpec("x", "FP32", (-1, 2)),), (), MadeBy("file", "", "sha256:0"), {}
    )
    failure = FreeholdError(
        "proof_failed", model="m", case=0, output="y", index=[0, 1], expected=1.0, seen=2.0, measure=1.0, allowed=1e-4
    )
    message = frames.Opened(
        manifest, "sha256:1", "fp32", 0, "failed", 3, 1, "pytorch 2", Trouble.of(failure), Capacity("rows", 1, 2, 3.5)
    )
    seen = back(message)
    assert seen == message
    assert isinstance(seen, frames.Opened)
    proof = frames.proof_of(seen)
    assert (proof.status, proof.cases, proof.replayed, proof.recorded_by) == ("failed", 3, 1, "pytorch 2")
    assert str(proof.failure) == str(failure)


def test_the_figures_of_a_batch_arrive() -> None:
    """A named tuple is one again."""
    message = frames.Ran(Batch([0.1, 0.2], 0.3, 2, 40, "tokens"), Capacity("tokens", 5, 6, 7.0))
    assert back(message) == message


@pytest.mark.parametrize(
    ("code", "details"),
    [
        ("deadline_exceeded", {"waited_s": 1.25, "deadline_s": 50}),
        ("deadline_exceeded", {"waited_s": np.float64(1.25), "deadline_s": np.float32(50)}),
        ("token_out_of_range", {"token": 10**30, "position": np.int64(1), "last": 9}),
        ("graph_missing", {"path": Path("/models/x.onnx")}),
        ("input_shape_mismatch", {"configured": (1, 2), "name": "x", "graph": [np.int64(-1), 16]}),
        ("inference_failed", {"reason": "half of a pair: \ud800"}),
    ],
)
def test_an_error_says_the_same_on_the_other_side(code: str, details: dict[str, object]) -> None:
    """Format specs still find numbers; what msgpack cannot carry arrives as text."""
    error = FreeholdError(code, **details)
    message = back(frames.Refused(3, Trouble.of(error)))
    assert isinstance(message, frames.Refused)
    again = message.trouble.error()
    assert again.code == code
    if code in ("deadline_exceeded", "token_out_of_range", "graph_missing"):
        assert (str(again), again.in_language("zh")) == (str(error), error.in_language("zh"))


def test_a_frame_is_read_back_and_a_cut_one_is_the_end() -> None:
    """A process that died in the middle of a frame is gone, not garbled."""
    whole = bytes(frame(frames.Cancel(9)))
    assert TO_ENGINE.decode(asyncio.run(read(whole))) == frames.Cancel(9)
    for length in range(len(whole)):
        with pytest.raises(asyncio.IncompleteReadError):
            asyncio.run(read(whole[:length]))


def test_a_length_beyond_the_bound_is_no_frame() -> None:
    """It is refused before memory is taken for it."""
    with pytest.raises(ConnectionError, match="4294967295"):
        asyncio.run(read(b"\xff\xff\xff\xff" + b"x" * 8))


def test_a_message_beyond_the_bound_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender says so; the process at the other end lives."""
    monkeypatch.setattr(frames, "LONGEST_FRAME", 1 << 20)
    with pytest.raises(FreeholdError, match="frame_too_long"):
        frame(frames.infer_of(1, TensorRequest({"x": np.zeros(1 << 20, np.uint8)}), 1.0))


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_garbage_is_an_error_of_the_decoder_and_nothing_else(data: bytes) -> None:
    """Both sides handle that one."""
    for decoder in (TO_ENGINE, FROM_ENGINE):
        try:
            decoder.decode(data)
        except msgspec.MsgspecError:
            continue
