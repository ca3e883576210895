"""Triton's generate extension, read and written."""

import json
from typing import Any

import pytest

from freehold.errors import FreeholdError, Kind
from freehold.protocol.generate import GenerateRequest, encode_generate, generate_frame, parse_generate


def parse(**fields: Any) -> GenerateRequest:
    return parse_generate(json.dumps({"text_input": "A", **fields}).encode())


def test_parameters_stand_beside_the_text_or_under_their_own_name() -> None:
    """Those under `parameters` go first."""
    assert parse(max_tokens=3).max_tokens == 3
    assert parse(parameters={"max_tokens": 4, "temperature": 0}).max_tokens == 4
    assert parse(max_tokens=3, parameters={"max_tokens": 4, "stream": False}).max_tokens == 4
    assert parse(parameters=None).max_tokens is None
    assert parse(parameters={"cache_salt": "mine"}).cache_salt == "mine"
    assert parse(cache_salt="the gateway's", parameters={"cache_salt": "mine"}).cache_salt == "the gateway's"


def test_the_text_may_be_a_tensor_of_one() -> None:
    """As the protocol's other calls send it."""
    assert parse().text == parse(text_input=["A"]).text == "A"
    with pytest.raises(FreeholdError, match="parameter_invalid"):
        _ = parse(text_input=["A", "B"]).text


def test_stops_have_several_names() -> None:
    """`stop_words` as TensorRT-LLM's backend calls them; `stop` as a switch is no text."""
    assert parse(stop_words=["x"]).stops() == parse(stop=["x"]).stops() == ("x",)
    assert parse(stop=False).stops() == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text_input": None}, "request_invalid"),
        ({"parameters": [1]}, "request_invalid"),
        ({"max_tokens": 0}, "parameter_invalid"),
        ({"parameters": {"temperature": 5}}, "parameter_invalid"),
        ({"bad_words": ["x"]}, "field_unsupported"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], code: str) -> None:
    """With an error of the request."""
    with pytest.raises(FreeholdError, match=code) as error:
        parse(**fields)
    assert error.value.kind is Kind.INVALID


def test_answers_and_frames_have_one_form() -> None:
    """The names that Triton's clients read."""
    whole = encode_generate("m", "1", "数")
    assert json.loads(whole) == {"model_name": "m", "model_version": "1", "text_output": "数"}
    assert generate_frame("m", "1", "数") == b"data: " + whole + b"\n\n"
