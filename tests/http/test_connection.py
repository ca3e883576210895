"""Clients that hold a connection without sending a request, or send what is none."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.http import BodyLimits, Bounds


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the start of a TLS handshake
        b"GET / HTTP/9.9\r\n\r\n",
        b"get out\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_a_json_400_and_the_end_of_the_connection(live: Any, garbage: bytes) -> None:
    """Whatever the bytes: no 5xx, no silence."""
    client = live.connect()
    client.send(garbage)
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (400, "request_malformed")
    assert client.closed()


def test_what_is_no_request_under_v2_is_told_as_its_clients_read_it(live: Any) -> None:
    """{"error": text} also for a request that could not be parsed to its end."""
    client = live.connect()
    client.send(b"POST /v2/models/m/infer HTTP/1.1\r\nbroken header\r\n\r\n")
    assert isinstance(client.answer().json["error"], str)


def test_a_broken_chunk_ends_the_request(live: Any) -> None:
    """The head was fine, the body is not."""
    client = live.connect()
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert client.answer().status == 400
    assert client.closed()


def test_a_head_without_end_is_cut(serving: Callable[..., Any]) -> None:
    """431 once it is larger than the bound."""
    live = serving(bounds=Bounds(head_bytes=5_000))
    client = live.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: t\r\nX-Long: " + b"a" * 6_000)
    answer = client.answer()
    assert answer.status == 431
    assert "5000 bytes" in answer.json["error"]["message"]
    assert client.closed()


@pytest.mark.parametrize("trailers", [b"a:\r\n" * 1_500, b"X-Long: " + b"a" * 6_000])
def test_trailers_without_end_are_cut(serving: Callable[..., Any], trailers: bytes) -> None:
    """Many small ones, or one large one: what nobody reads is not kept, and has the bound of a head."""
    live = serving(bounds=Bounds(head_bytes=5_000))
    client = live.connect()
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.answer(bodyless=True).status == 100  # the head was read by itself
    client.send(b"0\r\n" + trailers)
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (431, "request_malformed")
    assert client.closed()


def test_trailers_are_passed_over(live: Any) -> None:
    """They are no headers of the request, which is answered, nor of the next one on its connection."""
    client = live.connect()
    for _ in range(2):
        client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"2;name=value\r\n{}\r\n0\r\nX-Request-ID: late\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["x-request-id"] != "late") == (200, True)


def test_a_head_that_does_not_come_is_given_up(serving: Callable[..., Any]) -> None:
    """Slowloris: half a head holds a connection for no longer than the bound."""
    live = serving(bounds=Bounds(head_s=0.05))
    client = live.connect()
    client.send(b"GET / HTTP/1.1\r\nHost:")
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (408, "request_malformed")
    assert client.closed()


def test_a_second_head_that_does_not_come_is_given_up_as_well(serving: Callable[..., Any]) -> None:
    """A kept-alive connection is no way around the bound."""
    live = serving(bounds=Bounds(head_s=0.05))
    client = live.connect()
    assert client.ask("GET", "/livez").status == 200
    client.send(b"GET / HTTP")
    assert client.answer().status == 408
    assert client.closed()


def test_a_connection_without_a_byte_is_closed_silently(serving: Callable[..., Any]) -> None:
    """There is no request to answer."""
    live = serving(bounds=Bounds(head_s=0.05))
    assert live.connect().closed()


def test_a_connection_too_many_is_told_so(serving: Callable[..., Any]) -> None:
    """503 in JSON; those that were there before are served on."""
    live = serving(bounds=Bounds(connections=1))
    first = live.connect()
    assert first.ask("GET", "/livez").status == 200
    second = live.connect()
    answer = second.ask("GET", "/livez")
    assert (answer.status, answer.json["error"]["code"]) == (503, "too_many_connections")
    assert second.closed()
    assert first.ask("GET", "/livez").status == 200


def test_connections_far_beyond_the_bound_are_dropped(serving: Callable[..., Any]) -> None:
    """Not even the refusal may be used to fill the process."""
    live = serving(bounds=Bounds(connections=1))
    held = [live.connect() for _ in range(2)]
    assert held[0].ask("GET", "/livez").status == 200
    assert live.connect().closed()


def test_a_client_that_still_sends_an_unwanted_body_reads_the_answer(serving: Callable[..., Any]) -> None:
    """8 MB are drained rather than reset, and the connection serves on."""
    live = serving(body_limits=BodyLimits(size=1000))
    client = live.connect()
    body = bytes(8_000_000)
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert client.answer().status == 413
    assert client.ask("GET", "/livez").status == 200


def test_an_unwanted_body_that_never_ends_is_cut(serving: Callable[..., Any]) -> None:
    """Draining has a bound as well."""
    live = serving(body_limits=BodyLimits(size=1000), bounds=Bounds(linger_s=0.05))
    client = live.connect()
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9000\r\n\r\nabc")
    assert client.answer().status == 413
    assert client.closed()


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(live: Any) -> None:
    """Expect: 100-continue, as curl sends it with large bodies."""
    client = live.connect()
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.answer().status == 100
    client.send(b"abc")
    assert client.answer().body == b"abc"


def test_a_client_that_asks_before_it_sends_too_much_need_not_send_it(serving: Callable[..., Any]) -> None:
    """The refusal comes instead of the go-ahead, and the connection ends: its state would be unclear."""
    live = serving(body_limits=BodyLimits(size=1000))
    client = live.connect()
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 9000\r\n\r\n")
    assert client.answer().status == 413
    assert client.closed()


@pytest.mark.parametrize("to", ["websocket", "h2c"])
def test_an_upgrade_is_answered_as_plain_http(live: Any, to: str) -> None:
    """As Java's client asks with every first request: the body is read, and the connection ends behind the answer."""
    client = live.connect()
    answer = client.ask("POST", "/v1/echo", b"abc", Upgrade=to, Connection="Upgrade")
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"abc", "close")
    assert client.closed()


def test_the_body_behind_an_offer_may_come_late_and_in_chunks(live: Any) -> None:
    """The second parser frames it as the first one would have."""
    client = live.connect()
    client.send(
        b"POST /v1/echo HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n3\r"
    )
    client.send(b"\nabc\r\n2\r\nde\r\n")
    client.send(b"0\r\n\r\n")
    assert client.answer().body == b"abcde"


def test_garbage_behind_a_request_does_not_spoil_its_answer(live: Any) -> None:
    """The whole request is answered, then the connection ends."""
    client = live.connect()
    client.send(b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n\x00garbage\r\n\r\n")
    assert client.answer().status == 200
    assert client.closed()


def test_what_follows_a_closing_request_is_dropped(live: Any) -> None:
    """The client said itself that nothing follows."""
    client = live.connect()
    client.send(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\nGET /livez HTTP/1.1\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    assert client.closed()


def test_http_1_0_is_served(live: Any) -> None:
    """Load balancers still probe with it."""
    client = live.connect()
    client.send(b"GET /livez HTTP/1.0\r\n\r\n")
    assert client.answer().status == 200
    assert client.closed()


def test_a_client_that_leaves_its_answer_unread_is_dropped(
    serving: Callable[..., Any], connect: Callable[..., Any], eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Its 30 MB would otherwise stay in memory for as long as it likes."""
    live = serving(bounds=Bounds(stalled_s=0.05))
    client = connect(live.port, receive_buffer=4096)
    body = bytes(30_000_000)
    client.send(b"POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    eventually(lambda: not live.listener.server_state.connections)
    with pytest.raises((EOFError, ConnectionResetError)):
        client.answer()


def test_errors_below_the_app_are_counted_as_well(serving: Callable[..., Any]) -> None:
    """By the same codes, in the same counter."""
    live = serving(bounds=Bounds(connections=1))
    client = live.connect()
    client.send(b"garbage\r\n\r\n")
    assert client.answer().status == 400
    assert 'freehold_errors_total{code="request_malformed"} 1.0' in live.metrics()


VALID = b'POST /v1/echo HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a": 12}'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    at=st.integers(0, len(VALID)),
    cut=st.integers(0, 12),
    put=st.binary(max_size=12) | st.sampled_from([b"\r\n", b"\x00", b"\r\n\r\n", b"chunked", b"99999999999999999999"]),
)
def test_no_bytes_bring_the_server_down(live: Any, at: int, cut: int, put: bytes) -> None:
    """A valid request with some bytes replaced gets an answer that blames the client, or none; the next is served."""
    client = live.connect()
    client.send(VALID[:at] + put + VALID[at + cut :])
    client.finish()
    assert all(status < 500 for status in client.statuses())
    client.close()
    assert live.ask("GET", "/livez").status == 200
