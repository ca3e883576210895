"""Bodies of the model repository extension."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.protocol.oip_repository import parse_index, parse_load, parse_unload, wanted


def load(**parameters: object) -> bytes:
    return json.dumps({"parameters": parameters}).encode()


@pytest.mark.parametrize("body", [b"", b" ", b"{}"])
def test_no_body_says_nothing(body: bytes) -> None:
    """Triton's client sends an index with a body of length 0, and a load with `{}`."""
    assert parse_index(body).ready is False
    assert parse_load(body) == ({}, {})
    parse_unload(body)


def test_an_index_may_be_of_what_is_ready() -> None:
    """By its only field."""
    assert parse_index(b'{"ready": true}').ready is True


def test_a_load_carries_a_configuration_and_files() -> None:
    """The configuration as a JSON text, files in base64 by their paths; gRPC has the bytes themselves."""
    content = base64.b64encode(b"\x00onnx").decode()
    asked = parse_load(load(config='{"max_batch_size": 8}', **{"file:1/model.onnx": content}))
    assert asked == ({"max_batch_size": 8}, {"1/model.onnx": b"\x00onnx"})
    assert wanted({"file:2/a/b.bin": b"x"}).files == {"2/a/b.bin": b"x"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "json_malformed"),
        (b"[]", "request_invalid"),
        (load(config="{"), "parameter_invalid"),
        (load(config="[]"), "parameter_invalid"),
        (load(config=7), "parameter_invalid"),
        (load(other=1), "parameter_unsupported"),
        (load(**{"file:1/model.onnx": "no base64!"}), "parameter_invalid"),
        (load(**{"file:1/model.onnx": "é"}), "parameter_invalid"),
        (load(**{"file:1/model.onnx": 7}), "parameter_invalid"),
    ],
)
def test_a_load_that_says_something_else_is_refused(body: bytes, code: str) -> None:
    """Nothing that a client asked for is passed over in silence."""
    with pytest.raises(FreeholdError, match=code):
        parse_load(body)


@pytest.mark.parametrize(
    "path",
    ["", "model.onnx", "/model.onnx", "../x", "1/../../x", "1//x", "1/", "1/.", "1/ ", "1/a\\b", "1/a\nb", "./x"],
)
def test_files_stay_below_the_folder_of_their_model(path: str) -> None:
    """A path has a version and a name, and leads nowhere else."""
    with pytest.raises(FreeholdError, match="parameter_invalid"):
        wanted({f"file:{path}": b""})


def test_an_unload_may_name_its_dependents() -> None:
    """True or false, and nothing depends on a model here."""
    parse_unload(b'{"parameters": {"unload_dependents": true}}')
    with pytest.raises(FreeholdError, match="parameter_invalid"):
        parse_unload(b'{"parameters": {"unload_dependents": 1}}')


@given(st.dictionaries(st.text(max_size=12) | st.text(max_size=8).map("file:".__add__), st.text() | st.integers()))
def test_any_parameters_are_read_or_refused(parameters: dict[str, object]) -> None:
    """Never another exception, and no path that leaves its folder."""
    with suppress(FreeholdError):
        for path in parse_load(load(**parameters)).files:
            assert ".." not in path.split("/")
            assert not path.startswith("/")


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Never another exception."""
    for parse in (parse_index, parse_load, parse_unload):
        with suppress(FreeholdError):
            parse(body)
