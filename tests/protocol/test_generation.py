"""What the calls that generate text have in common."""

import json
from typing import Any

import msgspec
import pytest

from freehold.errors import FreeholdError
from freehold.protocol.generation import (
    DONE,
    LEAST_LOGPROB,
    MOST_STOPS,
    GenerationFields,
    ResponseFormat,
    Usage,
    fingerprint,
    frame,
    shown_logprob,
    shown_token,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def fields(**given: Any) -> GenerationFields:
    return msgspec.convert(given, GenerationFields)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"stop": ["x"] * (MOST_STOPS + 1)}, "stop"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(5000)}}, "logit_bias"),
    ],
)
def test_a_value_out_of_its_range_names_itself(given: dict[str, Any], parameter: str) -> None:
    """The value, what it may be, and `param` for OpenAI's clients."""
    with pytest.raises(FreeholdError, match="parameter_invalid") as error:
        fields(**given).check_fields()
    assert error.value.details["param"] == parameter
    assert parameter in error.value.cause


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"max_tokens": 1, "temperature": 0, "top_p": 0, "top_k": -1, "n": 16, "seed": -1},
        {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "stop": ["x"] * MOST_STOPS},
        {"temperature": None, "max_tokens": None, "stop": None, "logit_bias": None, "n": None, "stream": None},
        {"guided_json": None, "min_tokens": 0, "prompt_logprobs": False, "bad_words": []},
        {"user": "u", "thinking": {"type": "disabled"}, "reasoning_effort": "low", "metadata": {}, "store": True},
    ],
)
def test_the_borders_nulls_and_unknown_fields_pass(given: dict[str, Any]) -> None:
    """What Dify and the openai client send beside is no mistake."""
    fields(**given).check_fields()


@pytest.mark.parametrize("field", ["guided_json", "guided_regex", "guided_choice", "structured_outputs"])
def test_a_form_under_another_name_is_refused_with_ours(field: str) -> None:
    """To ignore it would give an answer of another form."""
    with pytest.raises(FreeholdError, match="field_refused") as error:
        fields(**{field: {"a": 1}}).check_fields()
    assert "response_format" in error.value.fix


@pytest.mark.parametrize("field", ["use_beam_search", "min_tokens", "bad_words"])
def test_a_field_that_would_change_the_answer_is_refused(field: str) -> None:
    """Where there is nothing in its place, the error says so."""
    with pytest.raises(FreeholdError, match="field_unsupported"):
        fields(**{field: 5}).check_fields()


def test_stops_are_one_text_or_several_and_never_empty() -> None:
    """A form's field that was left blank is no stop."""
    assert fields(stop="a").stops() == ("a",)
    assert fields(stop=["a", "", "b"]).stops() == ("a", "b")
    assert fields(stop="").stops() == fields().stops() == ()


def test_biases_are_keyed_by_token_id() -> None:
    """JSON has only texts as keys."""
    assert fields(logit_bias={"12": -100, "7": 1.5}).biases() == {12: -100, 7: 1.5}


@pytest.mark.parametrize("key", ["", "-1", "1.5", "the", "１", "1" * 11, "1" * 5000])
def test_a_bias_of_no_token_is_refused(key: str) -> None:
    """With the key that was sent."""
    with pytest.raises(FreeholdError, match="parameter_invalid") as error:
        fields(logit_bias={key: 1}).biases()
    assert key.startswith(str(error.value.details["value"]).removesuffix("..."))


def test_a_schema_comes_wrapped_or_bare() -> None:
    """Dify passes on whatever its user typed."""
    assert ResponseFormat("json_schema", {"name": "answer", "schema": SCHEMA, "strict": True}).schema() == SCHEMA
    assert ResponseFormat("json_schema", {"schema": SCHEMA}).schema() == SCHEMA
    assert ResponseFormat("json_schema", SCHEMA).schema() == SCHEMA
    assert ResponseFormat("json_schema", {"enum": [1]}).schema() == {"enum": [1]}


def test_a_bare_schema_may_have_a_property_named_schema() -> None:
    """Words of JSON Schema beside it decide."""
    bare = {"type": "object", "properties": {"schema": {"type": "object"}}, "schema": {"type": "string"}}
    assert ResponseFormat("json_schema", bare).schema() == bare


def test_other_formats() -> None:
    """Text asks for nothing, `json_object` for any object."""
    assert ResponseFormat("text").schema() is None
    assert ResponseFormat("json_object").schema() == {"type": "object"}


@pytest.mark.parametrize(
    "wanted",
    [
        ResponseFormat("xml"),
        ResponseFormat("json_schema"),
        ResponseFormat("json_schema", {"name": "answer"}),
        ResponseFormat("json_schema", {"name": "answer", "schema": "object"}),
    ],
)
def test_a_format_that_says_nothing_is_refused(wanted: ResponseFormat) -> None:
    """Neither a known type nor a schema."""
    with pytest.raises(FreeholdError, match="parameter_invalid"):
        wanted.schema()


def test_a_frame_is_one_line_and_a_blank_line() -> None:
    """Whatever the text holds: JSON escapes line ends."""
    assert frame({"text": "a\n\nb\r\n数"}) == 'data: {"text":"a\\n\\nb\\r\\n数"}\n\n'.encode()
    assert DONE == b"data: [DONE]\n\n"


def test_usage_counts_all_tokens() -> None:
    """The names that Dify reads, and OpenAI's place for those of the cache."""
    assert json.loads(msgspec.json.encode(Usage.of(5, 3, 4))) == {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_logarithms_and_digests_take_forms_that_clients_know() -> None:
    """JSON has no infinity; a fingerprint is short."""
    assert shown_logprob(float("-inf")) == LEAST_LOGPROB
    assert shown_logprob(-0.5) == -0.5
    assert fingerprint("sha256:0123456789abcdef") == "fp_0123456789ab"


def test_a_part_of_a_character_is_shown_as_its_bytes() -> None:
    """No U+FFFD, from which nobody could put the character together."""
    assert shown_token("数".encode()) == "数"
    assert shown_token(b"\xe6\x95") == "bytes:\\xe6\\x95"
