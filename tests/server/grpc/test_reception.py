"""How calls are taken in: keys, rights, request ids, bounds of size and time, clients that leave, defects."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from freehold.access import Keys
from freehold.engine.base import Answer, Request
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.protocol.grpc.messages import message
from freehold.server.grpc.service import AHEAD
from freehold.server.models import Served
from tests.audited import Audited
from tests.crowd import eventually

SERVICE = "/inference.GRPCInferenceService"
SETTINGS = EngineSettings(tune=False, threads=1)
Ask = Callable[..., Any]


class Held(TensorEngine):
    """Holds a request until it is let go, and tells when one came and when one was given up."""

    def __init__(self, path: Path) -> None:
        engine = open_graph_file(path, "m", SETTINGS)
        assert isinstance(engine, TensorEngine)
        super().__init__(engine._model, SETTINGS)
        self.entered, self.gate, self.left = threading.Event(), threading.Event(), threading.Event()

    def at_once(self, request: Request) -> Answer | None:
        """It never answers before it is asked to wait."""
        return None

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """The answer, behind the gate."""
        self.entered.set()
        try:
            while not self.gate.is_set():  # noqa: ASYNC110 - another thread opens the gate
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.left.set()
            raise
        return await super().infer(request, deadline, later)


def infer_request(rows: int = 1) -> bytes:
    """A request for the model `fp32`, of so many rows."""
    request = message("ModelInferRequest")(
        model_name="fp32",
        inputs=[{"name": "x", "datatype": "FP32", "shape": [rows, 3]}],
        raw_input_contents=[bytes(rows * 12)],
    )
    encoded: bytes = request.SerializeToString()
    return encoded


@pytest.fixture
def ask() -> Iterator[Ask]:
    """`ask(place, method, body, *metadata, **how)`: the call of a bare client, which can be waited for or cancelled."""
    channels: list[grpc.Channel] = []

    def one(place: str, method: str, body: bytes = b"", *metadata: tuple[str, str], **how: Any) -> Any:
        channels.append(grpc.insecure_channel(place))
        path = method if method.startswith("/") else f"{SERVICE}/{method}"
        return channels[-1].unary_unary(path).future(body, metadata=metadata, **how)

    yield one
    for channel in channels:
        channel.close()


def refused(call: Any) -> tuple[str, str]:
    """The status and the error's code that a call ends with."""
    failure = call.exception(timeout=30)
    return failure.code().name, failure.details().rpartition("[")[2].rstrip("]")


@pytest.fixture
def keys() -> Iterator[Keys]:
    """Keys in memory."""
    found = Keys.in_memory()
    yield found
    found.close()


@pytest.fixture
def held(model_paths: dict[str, Path], serve_one: Callable[..., Served]) -> tuple[Served, Held]:
    """The model `fp32` with an engine that holds requests, and that engine."""
    engine = Held(model_paths["fp32"])
    served = serve_one("fp32", model_paths["fp32"])
    served.open = lambda: engine
    return served, engine


def test_every_method_asks_for_its_right(serve: Callable[..., Any], keys: Keys, ask: Ask) -> None:
    """Without a key, with a wrong one, and with the key of a lesser role nothing is answered that is not public."""
    client, viewer, operator = (keys.create(role, role) for role in ("client", "viewer", "operator"))
    node = serve("fp32", keys=keys)
    for method in ("ServerLive", "ServerReady", "/grpc.health.v1.Health/Check"):
        assert ask(node.place, method).exception(timeout=30) is None
    for method in ("ServerMetadata", "ModelInfer", "RepositoryIndex", "SystemSharedMemoryStatus", "LogSettings"):
        assert refused(ask(node.place, method)) == ("UNAUTHENTICATED", "key_missing")
        assert refused(ask(node.place, method, b"", ("api-key", "wrong"))) == ("UNAUTHENTICATED", "key_wrong")
    body, bearer = infer_request(), ("authorization", f"Bearer {client}")
    assert ask(node.place, "ModelInfer", body, bearer).exception(timeout=30) is None
    assert ask(node.place, "ModelInfer", body, ("authorization", ""), ("api-key", client)).exception(timeout=30) is None
    assert refused(ask(node.place, "ModelInfer", body, ("api-key", viewer))) == ("PERMISSION_DENIED", "right_missing")
    assert refused(ask(node.place, "RepositoryIndex", b"", bearer)) == ("PERMISSION_DENIED", "right_missing")
    assert ask(node.place, "RepositoryIndex", b"", ("api-key", operator)).exception(timeout=30) is None
    assert refused(ask(node.place, "LogSettings", b"", ("api-key", operator))) == ("PERMISSION_DENIED", "right_missing")


def test_a_key_that_is_taken_back_ends_a_stream(serve: Callable[..., Any], keys: Keys) -> None:
    """Behind its current answer: the next request of the stream is refused, and the stream with it."""
    key = keys.create("one", "client")
    node = serve("fp32", keys=keys)
    more = threading.Event()

    def requests() -> Iterator[bytes]:
        yield infer_request()
        more.wait(30)
        yield infer_request()

    with grpc.insecure_channel(node.place) as channel:
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(requests(), metadata=[("api-key", key)])
        assert message("ModelStreamInferResponse").FromString(next(stream)).infer_response.model_name == "fp32"
        keys.register.revoke("one")
        keys.refresh()
        more.set()
        with pytest.raises(grpc.RpcError) as told:
            next(stream)
    assert told.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_requests_of_a_stream_are_computed_side_by_side(
    serve_grpc: Callable[..., Any], held: tuple[Served, Held]
) -> None:
    """Some of them, and none beyond: whoever sends more waits until an answer is taken."""
    served, engine = held
    node = serve_grpc([served])
    with grpc.insecure_channel(node.place) as channel:
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(infer_request(n + 1) for n in range(AHEAD + 3))
        eventually(lambda: served.admission.in_flight == AHEAD, "as many as may be are under way", 30)
        engine.gate.set()
        answers = [message("ModelStreamInferResponse").FromString(one).infer_response for one in stream]
    assert [one.outputs[0].shape[0] for one in answers] == [n + 1 for n in range(AHEAD + 3)]


def test_a_call_has_a_request_id_and_is_counted(serve: Callable[..., Any], ask: Ask) -> None:
    """The client's own where it is fit, else a new one; also behind a failure."""
    node = serve("fp32")
    call = ask(node.place, "ModelInfer", infer_request(), ("x-request-id", "mine"))
    assert dict(call.trailing_metadata())["x-request-id"] == "mine"
    call = ask(node.place, "ModelInfer", b"\xff", ("x-request-id", "x" * 500))
    assert refused(call) == ("INVALID_ARGUMENT", "message_malformed")
    assert 0 < len(dict(call.trailing_metadata())["x-request-id"]) < 100
    counted = node.metrics()
    for status in (200, 400):
        assert f'route="{SERVICE}/ModelInfer",status="{status}"' in counted
    assert 'code="message_malformed"' in counted


def test_messages_have_a_bound(serve: Callable[..., Any], ask: Ask) -> None:
    """Over `limits.body_mb` gRPC itself refuses, packed or not; below it they are answered."""
    node = serve("fp32")
    assert ask(node.place, "ModelInfer", infer_request(80_000)).exception(timeout=30) is None
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        failure = ask(node.place, "ModelInfer", infer_request(90_000), compression=compression).exception(timeout=30)
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ask(node.place, "ModelInfer", infer_request(), compression=compression).exception(timeout=30) is None


def test_a_client_that_leaves_frees_its_place(
    serve_grpc: Callable[..., Any], held: tuple[Served, Held], ask: Ask
) -> None:
    """Whether it cancels, or its deadline is over: the model works for it no longer, and nothing is held."""
    served, engine = held
    node = serve_grpc([served])
    for how in ({}, {"timeout": 0.3}):
        engine.entered.clear()
        engine.left.clear()
        call = ask(node.place, "ModelInfer", infer_request(), **how)
        assert engine.entered.wait(30)
        if not how:
            assert "freehold_grpc_calls_in_flight 1.0" in node.metrics()
            call.cancel()
        assert engine.left.wait(30)
    assert refused(call)[0] == "DEADLINE_EXCEEDED"
    eventually(lambda: "freehold_grpc_calls_in_flight 0.0" in node.metrics(), "no call is left", 30)
    assert served.admission.in_flight == 0
    counted = node.metrics()
    assert f'route="{SERVICE}/ModelInfer",status="499"}} 2.0' in counted
    assert "shutdown_cut" not in counted  # nobody was told that


def test_a_node_that_leaves_finishes_its_calls(
    serve_grpc: Callable[..., Any], held: tuple[Served, Held], ask: Ask
) -> None:
    """What is under way is answered; what comes later is not; idle streams and watchers end."""
    served, engine = held
    node = serve_grpc([served])
    with grpc.insecure_channel(node.place) as channel:
        silent = threading.Event()
        watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        answer = message("grpc.health.v1.HealthCheckResponse")
        assert answer.FromString(next(watching)).status == answer.SERVING
        idle = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter(lambda: silent.wait(30) and b"", b""))
        call = ask(node.place, "ModelInfer", infer_request())
        assert engine.entered.wait(30)
        node.server.should_exit = True
        assert answer.FromString(next(watching)).status == answer.NOT_SERVING
        assert idle.code() is grpc.StatusCode.UNAVAILABLE
        silent.set()
        engine.gate.set()
        assert call.exception(timeout=30) is None


def test_a_call_that_outlasts_the_grace_time_is_told(
    serve_grpc: Callable[..., Any], held: tuple[Served, Held], ask: Ask
) -> None:
    """It is cut short with the words of HTTP."""
    served, engine = held
    node = serve_grpc([served], grace_s=0.3)
    call = ask(node.place, "ModelInfer", infer_request())
    assert engine.entered.wait(30)
    node.server.should_exit = True
    assert refused(call) == ("UNAVAILABLE", "shutdown_cut")


def test_a_defect_shows_nothing_of_the_inside(
    serve_grpc: Callable[..., Any], held: tuple[Served, Held], ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """The client hears of the request id, the log of the rest."""
    served, engine = held
    node = serve_grpc([served])

    async def broken(request: Request, deadline: float, later: bool = False) -> Answer:
        raise ZeroDivisionError("a secret of the inside")

    engine.infer = broken  # type: ignore[method-assign] # from here on the engine is broken
    call = ask(node.place, "ModelInfer", infer_request(), ("x-request-id", "mine"))
    assert refused(call) == ("INTERNAL", "internal")
    assert "mine" in call.details()
    assert "secret" not in call.details()
    assert "a secret of the inside" in caplog.text


def test_the_content_of_a_call_is_audited_as_a_hash(serve: Callable[..., Any], ask: Ask, tmp_path: Path) -> None:
    """Of each request of a stream, too, and of one that fails; REST's beside it as text, or as a hash where it is
    binary."""

    def of(data: bytes) -> dict[str, Any]:
        return {"bytes": len(data), "sha256": sha256(data).hexdigest()}

    audited = Audited(tmp_path)
    node = serve("fp32", entrance=audited.entrance)
    body, key = infer_request(), ("api-key", audited.key)
    answer = ask(node.place, "ModelInfer", body, key).result(timeout=30)
    assert refused(ask(node.place, "ModelInfer", b"\xff", key))
    with grpc.insecure_channel(node.place) as channel:
        list(channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter([body, body]), metadata=[key]))
    url = f"{node.server.address.url}/v2/models/fp32/infer"
    tensors = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    with httpx.Client(trust_env=False, headers=[key]) as client:
        as_json = client.post(url, json=tensors)
        octets = {"content-type": "application/octet-stream", "inference-header-content-length": "0"}
        raw = client.post(url, content=b"AAAA" * 3, headers=octets)
    said = [line["content"] for line in audited.lines()]
    assert said[0] == {"request": of(body), "answer": of(answer)}
    assert said[1] == {"request": of(b"\xff")}
    assert [one["request"] for one in said[2:4]] == [of(body)] * 2
    assert said[4]["request"] == {**of(as_json.request.content), "text": as_json.request.content.decode()}
    assert said[4]["answer"] == {**of(as_json.content), "text": as_json.text}
    assert (raw.status_code, said[5]) == (200, {"request": of(b"AAAA" * 3), "answer": of(raw.content)})
    audited.close()
