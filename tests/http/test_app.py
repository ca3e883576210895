"""What a client gets from the app, whatever it sends."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from freehold.access import Keys
from freehold.http import Entrance


def test_an_endpoint_answers_with_its_length_type_and_request_id(live: Any) -> None:
    """The plainest request."""
    answer = live.ask("POST", "/v1/echo", b'{"a": 1}')
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


def test_a_fit_request_id_is_kept_and_handed_to_the_endpoint(live: Any) -> None:
    """A caller's own id joins its log to ours."""
    answer = live.ask("GET", "/v1/describe", X_Request_Id="order 4711/a")
    assert answer.headers["x-request-id"] == answer.json["id"] == "order 4711/a"


@pytest.mark.parametrize("unfit", ["", "é", "a" * 129, "tab\there"])
def test_an_unfit_request_id_is_replaced(live: Any, unfit: str) -> None:
    """What is echoed into headers and logs is printable and short."""
    answer = live.ask("GET", "/v1/describe", X_Request_Id=unfit)
    assert answer.status == 200
    assert answer.headers["x-request-id"] not in ("", unfit)


def test_two_requests_have_two_ids_and_one_connection(live: Any) -> None:
    """Keep-alive works, and generated ids differ."""
    client = live.connect()
    first, second = client.ask("GET", "/livez"), client.ask("GET", "/livez")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_pipelined_requests_are_answered_in_order(live: Any) -> None:
    """Three requests in one packet."""
    client = live.connect()
    client.send(b"".join(b"GET /v1/describe?q=%d HTTP/1.1\r\nHost: t\r\n\r\n" % number for number in range(3)))
    assert [client.answer().json["q"] for _ in range(3)] == ["0", "1", "2"]


def test_head_answers_as_get_does_without_the_body(live: Any) -> None:
    """Load balancers probe with HEAD."""
    client = live.connect()
    answer = client.ask("HEAD", "/livez")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert client.ask("GET", "/livez").status == 200


def test_options_names_the_methods(live: Any) -> None:
    """OPTIONS needs no endpoint of its own."""
    answer = live.ask("OPTIONS", "/livez")
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v2/models/bge-m3/infer", {"model": "bge-m3"}),
        ("/v2/models/org%2Fname/infer", {"model": "org/name"}),
        ("/v2/models/%E4%B8%AD%E6%96%87/infer", {"model": "中文"}),
        ("/v2/models/infer/versions/7/infer", {"model": "infer", "version": "7"}),
        ("/v2/models/m/infer/", {"model": "m"}),
    ],
)
def test_a_captured_path_hands_over_decoded_names(live: Any, path: str, params: dict[str, str]) -> None:
    """An escaped slash belongs to the model's name; a slash at the end is tolerated."""
    assert live.ask("POST", path, b"").json["params"] == params


@pytest.mark.parametrize(
    "path", ["/v2/models/org/name/infer", "/v2/models//infer", "/v2/models/%ff/infer", "/v2", "/v2/nothing"]
)
def test_nothing_under_v2_is_told_as_the_open_inference_protocol_does(live: Any, path: str) -> None:
    """{"error": text}, which is all that its clients read."""
    answer = live.ask("POST", path, b"")
    assert answer.status == 404
    assert list(answer.json) == ["error"]
    assert "path_not_found" in answer.json["error"]


def test_nothing_elsewhere_is_told_as_openai_does(live: Any) -> None:
    """{"error": {message, type, param, code}}."""
    answer = live.ask("GET", "/v1/nothing")
    assert answer.status == 404
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert (answer.json["error"]["code"], answer.json["error"]["type"]) == ("path_not_found", "not_found_error")
    assert "/v1/nothing" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow", "shape"),
    [
        ("GET", "/v1/echo", "OPTIONS, POST", {"error"}),
        ("DELETE", "/v2/models/m/infer", "OPTIONS, POST", {"error"}),
        ("POST", "/info", "GET, HEAD, OPTIONS", {"error", "error_type"}),
        ("PUT", "/livez", "GET, HEAD, OPTIONS", {"error"}),
    ],
)
def test_a_wrong_method_is_told_in_the_dialect_of_its_path(
    live: Any, method: str, path: str, allow: str, shape: set[str]
) -> None:
    """405 with Allow, in the shape that the path's clients read."""
    answer = live.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.json.keys() == shape


def test_a_defect_shows_nothing_of_the_inside_and_is_logged_with_the_request_id(
    fresh: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """500 `internal` names the request id; log and counter have the rest."""
    with caplog.at_level(logging.ERROR, logger="freehold.http.app"):
        answer = fresh.ask("POST", "/v1/fail", b"", X_Request_Id="abc-1")
    assert answer.status == 500
    assert answer.json["error"]["code"] == "internal"
    assert "abc-1" in answer.json["error"]["message"]
    assert b"secret" not in answer.body
    (record,) = caplog.records
    assert "abc-1" in record.getMessage()
    assert record.exc_info is not None
    assert "the inner secret" in str(record.exc_info[1])
    assert 'freehold_errors_total{code="internal"} 1.0' in fresh.metrics()


def test_an_overload_names_reason_and_time_in_every_dialect(fresh: Any) -> None:
    """429 with Retry-After, counted by model and reason."""
    openai, tei = fresh.ask("POST", "/v1/overloaded", b""), fresh.ask("POST", "/tei/overloaded", b"")
    assert (openai.status, openai.headers["retry-after"]) == (429, "20")
    assert openai.json["error"]["type"] == "rate_limit_error"
    assert "deadline" in openai.json["error"]["message"]
    assert tei.json["error_type"] == "overloaded"
    assert 'freehold_refused_total{model="m",reason="deadline"} 2.0' in fresh.metrics()


def test_requests_are_counted_by_the_pattern_of_their_route(
    fresh: Any, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Labels stay few, whatever paths clients make up."""
    client = fresh.connect()
    for path in ("/v2/models/a/infer", "/v2/models/b/infer", "/made/up"):
        client.ask("POST", path, b"")
    eventually(lambda: 'status="404"} 1.0' in fresh.metrics())
    metrics = fresh.metrics()
    assert 'freehold_requests_total{route="/v2/models/{model}/infer",status="200"} 2.0' in metrics
    assert 'freehold_requests_total{route="unmatched",status="404"} 1.0' in metrics
    assert "freehold_requests_in_flight 0.0" in metrics
    assert "made" not in metrics


def _locked(serving: Callable[..., Any]) -> tuple[Any, str]:
    keys = Keys.in_memory()
    key = keys.create("dify", "client")
    return serving(entrance=Entrance(keys)), key


def test_a_closed_door_wants_a_key_and_says_how_to_send_it(serving: Callable[..., Any]) -> None:
    """401 with WWW-Authenticate; health needs none."""
    live, _ = _locked(serving)
    answer = live.ask("GET", "/v1/describe")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="freehold"')
    assert (answer.json["error"]["code"], answer.json["error"]["type"]) == ("key_missing", "authentication_error")
    assert live.ask("GET", "/livez").status == 200


def test_a_key_opens_the_door_by_either_header(serving: Callable[..., Any]) -> None:
    """Bearer as OpenAI's clients send it, api-key as Azure's do; Dify's empty Authorization hides none."""
    live, key = _locked(serving)
    assert live.ask("GET", "/v1/describe", Authorization=f"Bearer {key}").status == 200
    assert live.ask("GET", "/v1/describe", Authorization=f"bearer  {key}").status == 200
    assert live.ask("GET", "/v1/describe", Api_Key=key).status == 200
    assert live.ask("GET", "/v1/describe", Authorization="", Api_Key=key).status == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [("", "key_missing"), ("Bearer", "key_missing"), ("Basic dTpw", "key_missing"), ("Bearer fh_no", "key_wrong")],
)
def test_an_empty_authorization_is_no_key_and_a_wrong_one_is_wrong(
    serving: Callable[..., Any], header: str, code: str
) -> None:
    """The two errors are told apart: one means "send it", the other "check it"."""
    live, _ = _locked(serving)
    answer = live.ask("GET", "/v1/describe", Authorization=header)
    assert (answer.status, answer.json["error"]["code"]) == (401, code)


def test_a_key_that_is_taken_back_lets_its_stream_end(serving: Callable[..., Any], house: Any) -> None:
    """The answer that began is whole; the next request on the same connection is refused."""
    keys = Keys.in_memory()
    key, client = keys.create("dify", "client"), serving(entrance=Entrance(keys)).connect()
    client.send(f"GET /v1/stream?before=1&wait=1&after=1 HTTP/1.1\r\nHost: t\r\nApi-Key: {key}\r\n\r\n".encode())
    assert client.head()[0] == 200
    first = client.chunk()
    keys.register.revoke("dify")
    keys.refresh()
    house.waiting.wait()
    house.release()
    assert [client.chunk(), client.chunk()] == [first, b""]
    assert client.ask("GET", "/v1/describe", Api_Key=key).json["error"]["code"] == "key_wrong"


def test_two_routes_at_one_path_and_method_are_a_mistake(serving: Callable[..., Any], house: Any) -> None:
    """It is found when the server is built, not when a client asks."""
    routes = house.routes()
    house.routes = lambda: [*routes, routes[0]]
    with pytest.raises(ValueError, match="declared twice"):
        serving()


def test_errors_are_json_that_any_parser_reads(live: Any) -> None:
    """Whatever the path holds."""
    answer = live.ask("GET", "/v1/%22%00%ff")
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "path_not_found"
