"""One inference over gRPC: requests raw and typed, small and large, wrong ones, and what an answer is made of."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol.grpc.infer import CONTENTS, LARGE, read_infer, receive, streamed, write_infer
from freehold.protocol.grpc.messages import message
from freehold.protocol.oip_regions import NoRegions
from freehold.protocol.oip_request import InferRequest, Schedule
from freehold.protocol.oip_tensors import DATATYPES

REQUEST, ANSWER = message("ModelInferRequest"), message("ModelInferResponse")
REGIONS = NoRegions()


def spec(name: str, datatype: str, shape: tuple[int, ...] = (-1,)) -> TensorSpec:
    """A tensor of a model, of one free dimension unless told."""
    return TensorSpec(name, datatype, shape)


def read(request: Any, *inputs: TensorSpec, remaining_s: float | None = None) -> InferRequest:
    """The request as a model with these inputs and an output `y` reads it."""
    return read_infer(receive(request.SerializeToString()), inputs, (spec("y", "FP32"),), REGIONS, remaining_s)


def tensor(name: str, datatype: str, shape: list[int], **more: Any) -> dict[str, Any]:
    """One input of a message."""
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def refused(request: Any, *inputs: TensorSpec) -> str:
    """The code of the error that the request leads to."""
    with pytest.raises(FreeholdError) as told:
        read(request, *inputs)
    return told.value.code


@pytest.mark.parametrize("datatype", sorted(CONTENTS))
def test_typed_contents_of_every_datatype(datatype: str) -> None:
    """Each datatype has its field, and becomes an array of its dtype."""
    values: list[Any] = [b"\xff\x00", b"z"] if datatype == "BYTES" else [True, False] if datatype == "BOOL" else [1, 2]
    request = REQUEST(inputs=[tensor("x", datatype, [2], contents={CONTENTS[datatype]: values})])
    array = read(request, spec("x", datatype)).inputs["x"]
    assert array.dtype == DATATYPES[datatype].dtype
    assert array.tolist() == values


@pytest.mark.parametrize(
    ("datatype", "field", "value", "code"),
    [
        ("INT8", "int_contents", 300, "value_out_of_range"),
        ("UINT8", "uint_contents", 256, "value_out_of_range"),
        ("INT64", "int_contents", 1, "contents_wrong"),
        ("FP16", "fp32_contents", 1.0, "half_in_contents"),
        ("BF16", "fp32_contents", 1.0, "half_in_contents"),
    ],
)
def test_typed_contents_that_do_not_fit_are_refused(datatype: str, field: str, value: float, code: str) -> None:
    """Nothing is wrapped, cut or read from another field."""
    request = REQUEST(inputs=[tensor("x", datatype, [1], contents={field: [value]})])
    assert refused(request, spec("x", datatype)) == code


def test_ways_to_send_tensors_are_not_mixed() -> None:
    """Raw and typed together, and raw tensors for other than all inputs, are refused."""
    typed = tensor("x", "FP32", [1], contents={"fp32_contents": [1.0]})
    a, b = tensor("a", "FP32", [1]), tensor("b", "FP32", [1])
    two = spec("a", "FP32"), spec("b", "FP32")
    assert refused(REQUEST(inputs=[typed], raw_input_contents=[b"abcd"]), spec("x", "FP32")) == "raw_and_contents"
    assert refused(REQUEST(inputs=[a, b], raw_input_contents=[b"abcd"]), *two) == "raw_count_wrong"
    assert refused(REQUEST(inputs=[a, b], raw_input_contents=[b"abcd"] * 3), *two) == "raw_count_wrong"


@pytest.mark.parametrize(
    ("inputs", "raw", "code"),
    [
        ([tensor("other", "FP32", [1])], [b"abcd"], "input_unknown"),
        ([tensor("x", "FP32", [1])] * 2, [b"abcd"] * 2, "input_duplicate"),
        ([], [], "input_missing"),
        ([tensor("x", "FP64", [1])], [b"abcdefgh"], "datatype_wrong"),
        ([tensor("x", "FP32", [1, 1])], [b"abcd"], "shape_wrong"),
        ([tensor("x", "FP32", [2])], [b"abcd"], "binary_size_wrong"),
        ([tensor("x", "FP32", [-1])], [b""], "shape_invalid"),
        ([tensor("x", "FP32", [2**62])], [b""], "shape_invalid"),
        ([tensor("x", "FP32", [1])], [], "element_count_wrong"),
        (
            [tensor("x", "FP32", [1], parameters={"shared_memory_region": {"string_param": "r"}})],
            [],
            "parameter_invalid",
        ),
    ],
)
def test_wrong_inputs_are_refused(inputs: list[dict[str, Any]], raw: list[bytes], code: str) -> None:
    """Each mistake has its own error, as over REST."""
    assert refused(REQUEST(inputs=inputs, raw_input_contents=raw), spec("x", "FP32")) == code


def test_wrong_outputs_and_parameters_are_refused() -> None:
    """An output that is not there, one asked for twice, and a parameter without a value."""
    x = {"inputs": [tensor("x", "FP32", [1])], "raw_input_contents": [b"abcd"]}
    assert refused(REQUEST(outputs=[{"name": "z"}], **x), spec("x", "FP32")) == "output_unknown"
    assert refused(REQUEST(outputs=[{"name": "y"}] * 2, **x), spec("x", "FP32")) == "output_duplicate"
    assert refused(REQUEST(parameters={"priority": {}}, **x), spec("x", "FP32")) == "parameter_invalid"
    assert refused(REQUEST(parameters={"timeout": {"int64_param": -1}}, **x), spec("x", "FP32")) == "parameter_invalid"


@pytest.mark.parametrize(
    ("timeout_us", "remaining_s", "expected"),
    [(0, None, None), (2_000_000, None, 2.0), (2_000_000, 1.5, 1.5), (0, 3.0, 3.0)],
)
def test_the_sooner_of_timeout_and_deadline_counts(
    timeout_us: int, remaining_s: float | None, expected: float | None
) -> None:
    """A request's turn must come before its client stops to wait for it."""
    request = REQUEST(
        inputs=[tensor("x", "FP32", [1])],
        raw_input_contents=[b"abcd"],
        parameters={"timeout": {"int64_param": timeout_us}, "priority": {"uint64_param": 2}},
    )
    assert read(request, spec("x", "FP32"), remaining_s=remaining_s).schedule == Schedule(expected, later=True)


@given(st.lists(st.binary(max_size=3 * LARGE), min_size=1, max_size=4))
def test_raw_tensors_are_the_same_found_by_hand_and_by_protobuf(raw: list[bytes]) -> None:
    """However large a message is, its raw tensors and all the rest are those that its client sent."""
    request = REQUEST(model_name="m", id="7", inputs=[tensor("x", "UINT8", [len(raw[0])])], raw_input_contents=raw)
    request.parameters["sequence_id"].int64_param = 2**40
    received = receive(request.SerializeToString())
    assert [one.data[one.start : one.start + one.size] for one in received.raw] == raw
    received.message.ClearField("raw_input_contents")
    request.ClearField("raw_input_contents")
    assert received.message == request


def test_a_message_of_very_many_fields_is_read_all_the_same() -> None:
    """What would take long by hand is left to protobuf."""
    request = REQUEST(raw_input_contents=[b"ab"] * LARGE)
    assert len(receive(request.SerializeToString()).raw) == LARGE


@given(st.binary(max_size=64), st.integers(0, 3))
def test_no_bytes_do_harm(tail: bytes, times: int) -> None:
    """Whatever comes, small or large, is a message or the error that says it is none."""
    for data in (tail, bytes(times) + b"\x3a\x80\x80\x02" + bytes(LARGE * 2) + tail):
        with suppress(FreeholdError):
            receive(data)


@pytest.mark.parametrize("cut", [1, 100, LARGE])
def test_a_large_message_that_ends_early_is_malformed(cut: int) -> None:
    """A raw tensor that is announced longer than what came."""
    whole = REQUEST(raw_input_contents=[bytes(2 * LARGE)]).SerializeToString()
    with pytest.raises(FreeholdError, match="no message"):
        receive(whole[:-cut])


def test_an_answer_is_raw_and_names_what_was_asked() -> None:
    """Outputs in the order in which they are wanted, BYTES with their lengths, the id echoed; streamed, the same."""
    request = REQUEST(
        id="q", inputs=[tensor("x", "FP32", [1])], raw_input_contents=[b"abcd"], outputs=[{"name": "b"}, {"name": "a"}]
    )
    outputs = (spec("a", "FP32"), spec("b", "BYTES"))
    read_one = read_infer(receive(request.SerializeToString()), (spec("x", "FP32"),), outputs, REGIONS)
    words = np.array([b"hi", "\u00e9"], object)
    encoded = write_infer(read_one, {"a": np.arange(300, dtype="<f4"), "b": words}, "m", "3", REGIONS)
    answer = ANSWER.FromString(encoded)
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "3", "q")
    assert [(one.name, one.datatype, list(one.shape)) for one in answer.outputs] == [
        ("b", "BYTES", [2]),
        ("a", "FP32", [300]),
    ]
    assert answer.raw_output_contents[0] == b"\x02\x00\x00\x00hi\x02\x00\x00\x00\xc3\xa9"
    assert answer.raw_output_contents[1] == np.arange(300, dtype="<f4").tobytes()
    assert message("ModelStreamInferResponse").FromString(streamed(encoded)).infer_response == answer


def test_a_stream_that_asks_for_it_is_told_which_answer_is_the_last() -> None:
    """Each request has one answer here, which is the last one."""
    request = REQUEST(inputs=[tensor("x", "FP32", [0])], raw_input_contents=[b""])
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    encoded = write_infer(read(request, spec("x", "FP32")), {"y": np.empty(0, "<f4")}, "m", "1", REGIONS)
    answer = ANSWER.FromString(encoded)
    assert answer.parameters["triton_final_response"].bool_param
    assert list(answer.raw_output_contents) == [b""]
