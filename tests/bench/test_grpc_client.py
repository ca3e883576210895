"""The closed loop over gRPC counts what came back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from bench.grpc_client import Job, send


@pytest.mark.parametrize(("method", "is_there"), [("/a/Echo", True), ("/a/None", False)])
def test_calls_go_on_until_the_time_is_over(method: str, is_there: bool) -> None:
    """The last answer is kept; what fails is counted."""

    def echo(message: bytes, context: Any) -> bytes:
        return message * 2

    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    outcome = send(Job(port, method, b"ab", concurrency=2, seconds=0.05))
    server.stop(0).wait()
    assert outcome.answer == (b"abab" if is_there else b"")
    assert outcome.summary.requests > 0
    assert outcome.summary.failed == (0 if is_there else outcome.summary.requests)
