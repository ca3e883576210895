"""Errors as HTTP answers."""

import json

import pytest

from freehold.errors import CATALOG, FreeholdError, Kind
from freehold.http.errors import STATUS, respond


def refusal() -> FreeholdError:
    return FreeholdError(
        "overloaded", model="m", reason="queue", seen="9 requests", limit="8", setting="limits.queue", retry_after_s=7
    )


def test_every_kind_has_a_status_of_its_own() -> None:
    """Two kinds with one status could not be told apart by clients."""
    assert STATUS.keys() == set(Kind)
    assert len(set(STATUS.values())) == len(STATUS)


def test_only_defects_and_documented_states_are_server_errors() -> None:
    """No input gets a 5xx but 501, and 502 to 504 of what is asked or not ready."""
    assert {kind for kind, status in STATUS.items() if status >= 500} == {
        Kind.INTERNAL,
        Kind.UNSUPPORTED,
        Kind.UPSTREAM,
        Kind.UNAVAILABLE,
        Kind.TIMEOUT,
    }


def test_openai_clients_get_message_type_param_and_code() -> None:
    """The message says the cause and the fix."""
    error = FreeholdError("path_not_found", path="/x", param="model")
    body = json.loads(respond(error, "openai").body)
    assert body == {
        "error": {
            "message": f"{error.cause} {error.fix}",
            "type": "not_found_error",
            "param": "model",
            "code": "path_not_found",
        }
    }
    assert json.loads(respond(error, "plain").body) == body


def test_open_inference_clients_get_one_text() -> None:
    """With the code at its end, for `freehold explain`."""
    body = json.loads(respond(refusal(), "oip").body)
    assert body.keys() == {"error"}
    assert body["error"].endswith("[overloaded]")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal(), "overloaded"),
        (FreeholdError("path_not_found", path="/x"), "validation"),
        (FreeholdError("internal", request_id="1"), "backend"),
        (FreeholdError("shutting_down"), "unhealthy"),
    ],
)
def test_tei_clients_get_text_and_type(error: FreeholdError, kind: str) -> None:
    """In the words of Text Embeddings Inference."""
    assert json.loads(respond(error, "tei").body) == {"error": f"{error.cause} {error.fix}", "error_type": kind}


def test_headers_say_when_to_come_back_what_is_allowed_and_how_to_show_a_key() -> None:
    """Each where the standard wants it."""
    assert respond(refusal(), "openai").headers == ((b"retry-after", b"7"),)
    not_allowed = FreeholdError("method_not_allowed", path="/x", method="PUT", allowed="GET")
    assert respond(not_allowed, "openai").headers == ((b"allow", b"GET"),)
    assert respond(FreeholdError("key_missing"), "openai").headers[0][0] == b"www-authenticate"
    assert respond(FreeholdError("internal", request_id="1"), "openai").headers == ()


def test_a_refusal_by_a_limit_tells_what_is_left_of_it() -> None:
    """The headers of an answer, beside the time to come back."""
    left = ((b"x-ratelimit-remaining-requests", b"0"),)
    error = FreeholdError("quota_parallel", owner="key a", setting="parallel", limit=2, retry_after_s=3, headers=left)
    assert respond(error, "openai").headers == ((b"retry-after", b"3"), *left)


def test_an_overload_without_a_time_says_one_second() -> None:
    """`deadline_exceeded` comes from the engine, which knows no HTTP."""
    error = FreeholdError("deadline_exceeded", waited_s=1.0, deadline_s=1.0)
    assert respond(error, "oip").headers == ((b"retry-after", b"1"),)


def test_every_text_of_the_catalog_can_be_told() -> None:
    """A kind without a row in a table would turn an error into a defect."""
    assert {entry.kind for entry in CATALOG.values()} <= STATUS.keys()
