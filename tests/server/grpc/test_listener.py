"""gRPC's port on the wire: what anybody may send, who takes slowly, a node that leaves."""

import gzip
import socket
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from freehold.access import Keys
from freehold.protocol.grpc.messages import message
from tests.server.grpc.raw import RawClient

LIVE = b"/inference.GRPCInferenceService/ServerLive"
INFER = b"/inference.GRPCInferenceService/ModelInfer"


def rows(count: int) -> bytes:
    """A request for the model `fp32`, of so many rows of 12 bytes."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [count, 3]}
    request = message("ModelInferRequest")(
        model_name="fp32", inputs=[tensor], raw_input_contents=[bytes(range(12)) * count]
    )
    encoded: bytes = request.SerializeToString()
    return encoded


def test_a_name_that_is_no_text_is_no_method(open_node: Any) -> None:
    """Anybody can send one, and everybody else is answered as before; grpcio's own server stops for good over it."""
    with RawClient(open_node.place) as client:
        assert client.call(b"/\xff\xfe", b"")[1][b"grpc-status"] == b"12"
        assert client.call(LIVE, b"")[0] == [b"\x08\x01"]
    with grpc.insecure_channel(open_node.place) as channel:
        assert channel.unary_unary(LIVE.decode())(b"", timeout=20) == b"\x08\x01"


def test_metadata_may_be_any_bytes(open_node: Any) -> None:
    """It is compared with keys, and shown to nobody."""
    with RawClient(open_node.place) as client:
        _, told = client.call(LIVE, b"", (b"authorization", b"Bearer \xe6\x95\xb0\xff"), (b"x-request-id", b"\xff"))
    assert told[b"grpc-status"] == b"0"
    assert told[b"x-request-id"].isascii()


def test_who_speaks_something_else_is_told(open_node: Any) -> None:
    """HTTP/1.1 reads what the port is for; HTTP/2 without gRPC gets a 415."""
    host, _, port = open_node.place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"speaks gRPC" in client.recv(4096)
    with RawClient(open_node.place) as client:
        assert client.call(LIVE, None, kind=b"application/json")[1][b":status"] == b"415"


def test_messages_that_are_none_are_refused(open_node: Any) -> None:
    """No message at all, one that ends early, one announced too large, one that is packed in an unknown way."""
    with RawClient(open_node.place) as client:
        for body, kind in ((b"", b""), (b"\0\0\0\0\x09abc", b""), (b"\x07\0\0\0\0", b""), (b"\1\0\0\0\1x", b"br")):
            number = client.begin(INFER, (b"grpc-encoding", kind))
            client.http2.send_data(number, body, end_stream=True)
            client.flush()
            assert client.answer(number)[1][b"grpc-status"] in (b"3", b"12")
        assert client.call(INFER, b"", announced=1 << 31)[1][b"grpc-status"] == b"8"


def test_a_packed_message_is_unpacked_within_the_limit(open_node: Any) -> None:
    """A bomb costs no more than the largest message."""
    with RawClient(open_node.place) as client:
        for message_, status in ((rows(100), b"0"), (bytes(5 << 20), b"8")):
            packed = gzip.compress(message_)
            number = client.begin(INFER, (b"grpc-encoding", b"gzip"))
            data = b"\1" + len(packed).to_bytes(4, "big") + packed
            client.http2.send_data(number, data, end_stream=True)
            client.flush()
            assert client.answer(number)[1][b"grpc-status"] == status


def test_a_stranger_sends_no_message(serve: Callable[..., Any]) -> None:
    """Who has no key is refused before the message is there."""
    keys = Keys.in_memory()
    keys.create("one", "client")
    node = serve("fp32", keys=keys)
    with RawClient(node.place) as client:
        _, told = client.call(INFER, bytes(1000), announced=500_000)
    assert told[b"grpc-status"] == b"16"
    keys.close()


@pytest.mark.parametrize("path", [LIVE, b"/grpc.health.v1.Health/Check", b"/grpc.health.v1.Health/Watch"])
def test_what_needs_no_key_takes_no_memory(open_node: Any, path: bytes) -> None:
    """A message as large as a model's is refused before it comes: anybody could take what requests share."""
    with RawClient(open_node.place) as client:
        _, told = client.call(path, bytes(1000), announced=500_000)
    assert told[b"grpc-status"] == b"8"


def test_an_answer_goes_on_as_its_client_takes_it(open_node: Any) -> None:
    """Some bytes at a time, and all of them in the end."""
    with RawClient(open_node.place, window=1000) as client:
        (answer,), told = client.call(INFER, rows(1200))
    assert told[b"grpc-status"] == b"0"
    assert message("ModelInferResponse").FromString(answer).raw_output_contents[0] == bytes(range(12)) * 1200


def test_a_node_that_leaves_says_so_to_silent_connections(serve: Callable[..., Any]) -> None:
    """GOAWAY without an error, behind which nothing was lost."""
    node = serve("fp32")
    with RawClient(node.place) as client:
        assert client.call(LIVE, b"")[0] == [b"\x08\x01"]
        node.server.should_exit = True
        gone = client.left()
    assert gone is not None
    assert (gone.error_code, gone.last_stream_id) == (0, 1)
