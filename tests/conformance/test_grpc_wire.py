"""Facts of gRPC's wire: typed contents, what may not be mixed, statuses, methods that are not there, health."""

from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.calls import proves
from tests.conformance.samples import FIELDS

CONTENTS: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 2**16 - 1],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP32": [1.5, -2.0],
    "FP64": [1.5, 1e300],
    "BYTES": [b"", "数".encode()],
}


def request(datatype: str, field: str, values: list[Any], model: str = "") -> pb.ModelInferRequest:
    """An inference of one row with typed contents."""
    asked = pb.ModelInferRequest(model_name=model or f"echo_{datatype.lower()}")
    put = asked.inputs.add(name="x", datatype=datatype, shape=[1, len(values)])
    getattr(put.contents, field).extend(values)
    return asked


def refusal(call: Any, message: Any) -> grpc.RpcError:
    """The error of a call."""
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=20)
    return caught.value


@proves("infer typed", over="gRPC")
@pytest.mark.parametrize("datatype", CONTENTS)
def test_typed_contents_are_the_same_as_raw_ones(stub: Any, datatype: str) -> None:
    """The answer, which is raw, sent again gives the same answer."""
    values = CONTENTS[datatype]
    answer = stub.ModelInfer(request(datatype, FIELDS[datatype], values), timeout=20)
    assert not answer.outputs[0].HasField("contents")
    again = pb.ModelInferRequest(model_name=f"echo_{datatype.lower()}", raw_input_contents=answer.raw_output_contents)
    again.inputs.add(name="x", datatype=datatype, shape=[1, len(values)])
    assert stub.ModelInfer(again, timeout=20).raw_output_contents == answer.raw_output_contents


@proves("infer typed", "errors", over="gRPC")
def test_what_does_not_belong_together_is_refused(stub: Any) -> None:
    """Raw beside typed, the wrong field, values out of range, too few of them, half precision that is not raw."""
    both = request("FP32", "fp32_contents", [1.0])
    both.raw_input_contents.append(b"1234")
    fewer = request("FP32", "fp32_contents", [1.0])
    fewer.inputs[0].shape[:] = [1, 2]
    for wrong in (
        both,
        fewer,
        request("INT64", "int_contents", [1]),
        request("INT8", "int_contents", [300]),
        request("UINT8", "uint_contents", [256]),
        request("FP16", "fp32_contents", [1.0]),
        request("BF16", "fp32_contents", [1.0]),
        request("FP32", "fp32_contents", [1.0], model="echo_fp64"),
    ):
        assert refusal(stub.ModelInfer, wrong).code() is grpc.StatusCode.INVALID_ARGUMENT


@proves("errors", over="gRPC")
def test_what_is_not_there_is_told(stub: Any, channel: grpc.Channel) -> None:
    """Methods of Triton's that are not offered, methods that nobody knows, broken messages, unknown models."""
    for call, message, status in (
        (stub.TraceSetting, pb.TraceSettingRequest(), grpc.StatusCode.UNIMPLEMENTED),
        (stub.LogSettings, pb.LogSettingsRequest(), grpc.StatusCode.UNIMPLEMENTED),
        (channel.unary_unary("/inference.GRPCInferenceService/None"), b"", grpc.StatusCode.UNIMPLEMENTED),
        (channel.unary_unary("/inference.GRPCInferenceService/ModelInfer"), b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (stub.ModelReady, pb.ModelReadyRequest(name="none"), grpc.StatusCode.NOT_FOUND),
        (stub.ModelMetadata, pb.ModelMetadataRequest(name="row", version="7"), grpc.StatusCode.NOT_FOUND),
    ):
        assert refusal(call, message).code() is status


@proves("grpc health", over="gRPC")
def test_grpcs_own_health_is_answered(channel: grpc.Channel) -> None:
    """SERVING is 1: of the server, of the service; a service that is not there is NOT_FOUND."""
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    service = b"inference.GRPCInferenceService"
    assert check(b"", timeout=20) == b"\x08\x01"
    assert check(b"\x0a" + bytes([len(service)]) + service, timeout=20) == b"\x08\x01"
    assert refusal(check, b"\x0a\x04none").code() is grpc.StatusCode.NOT_FOUND
