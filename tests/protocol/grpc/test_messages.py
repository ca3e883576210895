"""The descriptors that the package carries: as our .proto files say, and as the clients of others have them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tritonclient.grpc.service_pb2 as theirs

from freehold.errors import FreeholdError
from freehold.protocol.grpc import messages

TOOL = Path(__file__).parents[3] / "tools" / "protos.sh"
CARRIED = Path(messages.__file__).with_name("descriptors.binpb")


def test_what_is_carried_is_compiled_from_the_protos(tmp_path: Path) -> None:
    """tools/protos.sh writes the file that lies in the package."""
    compiled = tmp_path / "descriptors.binpb"
    subprocess.run([TOOL, compiled], check=True, env={**os.environ, "PYTHON": sys.executable})
    assert compiled.read_bytes() == CARRIED.read_bytes()


def _fields(descriptor: messages.Message) -> dict[str, tuple[object, ...]]:
    return {
        field.name: (field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
        for field in descriptor.fields
    }


def test_fields_are_those_of_tritons_client() -> None:
    """Every message has the fields of Triton's of that name, with their numbers and types; only `properties` of a
    model is the Open Inference Protocol's own."""
    pool = theirs.DESCRIPTOR.pool
    file = messages.POOL.FindFileContainingSymbol("inference.ModelInferRequest")
    for name, ours in file.message_types_by_name.items():
        fields = _fields(ours)
        fields.pop("properties", None)
        assert fields.items() <= _fields(pool.FindMessageTypeByName(f"inference.{name}")).items(), name


def test_methods_are_those_of_tritons_client() -> None:
    """Every method of ours takes and answers what Triton's of that name does."""
    known = {method.name: method for method in theirs.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods}
    for method in messages.INFERENCE.methods:
        other = known[method.name]
        assert method.input_type.full_name == other.input_type.full_name
        assert method.output_type.full_name == other.output_type.full_name
        assert (method.client_streaming, method.server_streaming) == (other.client_streaming, other.server_streaming)


def test_garbage_is_told_with_the_message_that_was_expected() -> None:
    """What is no message is an error that names the type."""
    with pytest.raises(FreeholdError, match=r"inference\.ModelReadyRequest"):
        messages.decode(messages.message("ModelReadyRequest"), b"\xff\xff\xff")
