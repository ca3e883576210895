"""One key's limit on three real servers, of which one is asked over gRPC and one is killed."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from freehold.access.slices import PARTS
from freehold.protocol.grpc.messages import message

LIMIT, CLIENTS = 600, 6
INFER = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
Ask = Callable[[], str]
"""One request: "" where it was answered, else the code of the limit that refused it."""


@contextmanager
def by_rest(node: Any) -> Iterator[Ask]:
    """Asks over HTTP."""

    def ask() -> str:
        answer = node.ask("/v2/models/fp32/infer", **INFER)
        return "" if answer.is_success else code(answer.text)

    yield ask


@contextmanager
def by_grpc(node: Any) -> Iterator[Ask]:
    """The same over gRPC."""
    place = re.search(r"gRPC on (\S+)", (node.log_file.parent / "stdout").read_text())
    assert place is not None
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3]}
    body = message("ModelInferRequest")(model_name="fp32", inputs=[tensor], raw_input_contents=[bytes(12)])
    with grpc.insecure_channel(place[1]) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

        def ask() -> str:
            call = infer.future(body.SerializeToString(), metadata=[("api-key", node.client.headers["api-key"])])
            failure = call.exception(timeout=60)
            return "" if failure is None else code(failure.details())

        yield ask


def code(error: str) -> str:
    """The code of an error of a limit, which stands at its end."""
    found = re.search(r"\[(quota_\w+)\]", error)
    assert found is not None, error
    return found[1]


@pytest.mark.soak
def test_three_servers_one_killed_pass_no_limit(
    launch: Callable[..., Any], freehold: Callable[..., Any], graphs: dict[str, Path], tmp_path: Path
) -> None:
    """At most the limit passes, and of it no more is lost than the killed one held and was asked for."""
    made = {
        role: json.loads(freehold("keys", "create", "--name", role, "--role", role, "--json", home=tmp_path).out)["key"]
        for role in ("client", "viewer")
    }
    config = {
        "models": [{"id": "fp32", "source": str(graphs["fp32"])}],
        "access": {"limits": {"requests_per_day": LIMIT}, "when_unreachable": "refuse"},
    }
    nodes = [launch(config, "--no-tune", "--grpc-port", 0, home=tmp_path) for _ in range(3)]
    for node in nodes:
        node.client.headers["api-key"] = made["client"]
        node.reads = {"api-key": made["viewer"]}
    day, killed, passed, counting = datetime.now(UTC).date(), threading.Event(), 0, threading.Lock()

    def client(ask: Ask, *, falls: bool) -> None:
        nonlocal passed
        try:
            while (refused := ask()) != "quota_requests":  # else the disk was slow for a moment
                with counting:
                    passed += not refused
                if falls and passed > LIMIT / 3:
                    killed.set()
        except httpx.HTTPError:
            assert falls, "a server that nobody killed"

    with by_rest(nodes[0]) as first, by_grpc(nodes[1]) as second, by_rest(nodes[2]) as third:
        with ThreadPoolExecutor(3 * CLIENTS) as pool:
            clients = [pool.submit(client, first, falls=True) for _ in range(CLIENTS)]
            clients += [pool.submit(client, ask, falls=False) for ask in (second, third) for _ in range(CLIENTS)]
            assert killed.wait(60)
            nodes[0].judged = True
            nodes[0].process.kill()
        for one in clients:
            one.result()
    windows = 1 + (datetime.now(UTC).date() - day).days
    assert LIMIT - (LIMIT // PARTS + 2 * CLIENTS) <= passed <= windows * LIMIT
