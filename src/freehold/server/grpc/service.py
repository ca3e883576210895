"""The methods of `inference.GRPCInferenceService`, over the data plane that REST uses."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from freehold.errors import FreeholdError, Kind
from freehold.http import Right
from freehold.protocol import oip_repository
from freehold.protocol.grpc.infer import read_infer, read_parameters, receive, streamed, write_infer
from freehold.protocol.grpc.messages import INFERENCE, Message, decode, message
from freehold.protocol.oip_regions import RegionStatus
from freehold.server import description, inference, repository
from freehold.server.dataplane import DataPlane
from freehold.server.grpc.passing import Passing
from freehold.server.grpc.pipeline import in_order
from freehold.server.grpc.reception import Answer, GrpcCall, Reception, told
from freehold.server.served import Served
from freehold.server.shared_memory import registered, tenant_of, unregistered
from freehold.server.text import truncation
from freehold.telemetry import RouteMetrics

ABSENT = ("TraceSetting", "LogSettings")
"""Methods of Triton's extensions that nothing here answers to; CUDA's shared memory is refused as over REST."""

AHEAD = 8
"""Requests of one stream that are answered at once: enough for a batch, and few answers to hold for a slow client."""

_ENDS_A_STREAM = (Kind.UNAUTHENTICATED, Kind.FORBIDDEN)
"""What ends a stream: nothing that its client sends later would pass."""
_STREAMED = message("ModelStreamInferResponse")


class Method(NamedTuple):
    """A method with the right that it asks for, None for a public one."""

    name: str
    right: Right | None
    answer: Answer


class InferenceService:
    """Every method of the service."""

    def __init__(self, plane: DataPlane, reception: Reception, passing: Passing) -> None:
        """`passing` answers for routes, and for models that are elsewhere."""
        self._plane = plane
        self._reception = reception
        self._passing = passing

    def offer(self) -> None:
        """Have the reception take calls in for them."""
        for one in self.methods():
            self._reception.offer(_path(one.name), one.right, one.answer)
        self._reception.offer_talk(_path("ModelStreamInfer"), "infer", self._talk)

    def methods(self) -> tuple[Method, ...]:
        """Those with one request and one answer. `ModelStreamInfer` asks for what `ModelInfer` does."""
        return (
            Method("ServerLive", None, self._live),
            Method("ServerReady", None, self._ready),
            Method("ServerMetadata", "metadata", self._server),
            Method("ModelReady", "metadata", self._model_ready),
            Method("ModelMetadata", "metadata", self._metadata),
            Method("ModelConfig", "metadata", self._config),
            Method("ModelStatistics", "metadata", self._statistics),
            Method("ModelInfer", "infer", self._infer),
            Method("RepositoryIndex", "repository", self._index),
            Method("RepositoryModelLoad", "repository", self._load),
            Method("RepositoryModelUnload", "repository", self._unload),
            Method("SystemSharedMemoryStatus", "admin", self._regions),
            Method("SystemSharedMemoryRegister", "admin", self._register),
            Method("SystemSharedMemoryUnregister", "admin", self._unregister),
            *(Method(f"CudaSharedMemory{act}", "admin", _cuda) for act in ("Status", "Register", "Unregister")),
            *(Method(name, "admin", _absent) for name in ABSENT),
        )

    async def _live(self, call: GrpcCall, body: bytes) -> bytes:
        return _encode("ServerLiveResponse", live=True)

    async def _ready(self, call: GrpcCall, body: bytes) -> bytes:
        return _encode("ServerReadyResponse", ready=self._plane.models.ready())

    async def _server(self, call: GrpcCall, body: bytes) -> bytes:
        return _encode("ServerMetadataResponse", **_plain(description.server(self._plane.shared)))

    async def _model_ready(self, call: GrpcCall, body: bytes) -> bytes:
        """Of a model that cannot answer an error tells why, as over REST."""
        asked = decode(message("ModelReadyRequest"), body)
        if self._passing.leads(call, asked.name):
            await self._passing.tell(call, asked, "/ready")
        else:
            self._find(call, asked).available()
        return _encode("ModelReadyResponse", ready=True)

    async def _metadata(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("ModelMetadataRequest"), body)
        if self._passing.leads(call, asked.name):
            return _parsed("ModelMetadataResponse", await self._passing.tell(call, asked, ""))
        told = description.metadata(self._plane.models, self._find(call, asked))
        return _encode("ModelMetadataResponse", **_plain(told))

    async def _config(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("ModelConfigRequest"), body)
        if self._passing.leads(call, asked.name):
            return _parsed("ModelConfigResponse", {"config": await self._passing.tell(call, asked, "/config")})
        told = description.config(self._plane.models, self._find(call, asked))
        return _encode("ModelConfigResponse", config=_plain(told))

    async def _statistics(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("ModelStatisticsRequest"), body)
        if self._passing.leads(call, asked.name):
            return _parsed("ModelStatisticsResponse", await self._passing.tell(call, asked, "/stats"))
        rows = description.statistics(self._plane.seen_by(call), asked.name, asked.version)
        return _encode("ModelStatisticsResponse", model_stats=[_plain(row) for row in rows])

    async def _infer(self, call: GrpcCall, body: bytes) -> bytes:
        received = receive(body)
        asked = received.message
        if self._passing.leads(call, asked.model_name):
            return await self._passing.infer(call, received)
        served = await self._plane.seen_by(call).wake(asked.model_name, asked.model_version)
        inputs, outputs = inference.signature(served.engine.manifest)
        with self._plane.shared.lease(call.hold, tenant_of(call.visit)) as regions:
            request = read_infer(received, inputs, outputs, regions, call.remaining_s())
            inferred = await inference.infer(self._plane, call, served, request)
            call.told = truncation(inferred.answer)
            return write_infer(request, inferred.arrays, served.id, served.version, regions)

    async def _talk(self, call: GrpcCall, metrics: RouteMetrics) -> AsyncGenerator[bytes, None]:
        """A stream's requests are answered in their order, `AHEAD` of them at once. One that fails says so, and the
        stream goes on; each passes the door, so that a key which is taken back ends the stream behind its answers."""

        async def answer(body: bytes) -> bytes:
            one = call.following()
            try:
                return streamed(await self._reception.attend(one, "infer", metrics, self._infer, body))
            except FreeholdError as error:
                if error.kind in _ENDS_A_STREAM:
                    raise
                return _failed(body, self._reception.explain(error, call))
            finally:
                call.visit = one.visit

        async with aclosing(in_order(lambda: self._reception.next(call), answer, AHEAD)) as answers:
            async for one in answers:
                yield one

    async def _index(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("RepositoryIndexRequest"), body)
        repository.check_repository(asked.repository_name)
        rows = repository.entries(self._plane.seen_by(call), ready=asked.ready)
        return _encode("RepositoryIndexResponse", models=[_plain(row) for row in rows])

    async def _load(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("RepositoryModelLoadRequest"), body)
        repository.check_repository(asked.repository_name)
        wanted = oip_repository.wanted(read_parameters(asked.parameters))
        await repository.load_model(self._plane.seen_by(call), asked.model_name, wanted)
        return b""

    async def _unload(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("RepositoryModelUnloadRequest"), body)
        repository.check_repository(asked.repository_name)
        await self._plane.seen_by(call).unload_model(asked.model_name)
        return b""

    async def _regions(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("SystemSharedMemoryStatusRequest"), body)
        listed = self._plane.shared.status(asked.name, tenant_of(call.visit))
        regions = {region.name: _plain(region) for region in listed}
        return _encode("SystemSharedMemoryStatusResponse", regions=regions)

    async def _register(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("SystemSharedMemoryRegisterRequest"), body)
        region = RegionStatus(asked.name, asked.key, asked.offset, asked.byte_size)
        await registered(self._plane.shared, call.visit, region)
        return b""

    async def _unregister(self, call: GrpcCall, body: bytes) -> bytes:
        asked = decode(message("SystemSharedMemoryUnregisterRequest"), body)
        await unregistered(self._plane.shared, call.visit, asked.name)
        return b""

    def _find(self, call: GrpcCall, asked: Message) -> Served:
        """The model that a request names. Raises as `Visible.find`."""
        return self._plane.seen_by(call).find(asked.name, asked.version)


async def _absent(call: GrpcCall, body: bytes) -> bytes:
    raise FreeholdError("method_not_offered", method=call.path.rpartition("/")[2])


async def _cuda(call: GrpcCall, body: bytes) -> bytes:
    raise FreeholdError("cuda_shared_memory_off")


def _path(method: str) -> str:
    return f"/{INFERENCE.full_name}/{method}"


def _encode(kind: str, /, **fields: object) -> bytes:
    encoded: bytes = message(kind)(**fields).SerializeToString()
    return encoded


def _parsed(kind: str, told: dict[str, Any]) -> bytes:
    """What another server says of a model, as the message of that kind; what that has no field for is left out."""
    try:
        encoded: bytes = ParseDict(told, message(kind)(), ignore_unknown_fields=True).SerializeToString()
    except ParseError as error:
        raise FreeholdError("passed_garbage", model=str(told.get("name", kind)), reason=error) from None
    return encoded


def _plain(shown: msgspec.Struct) -> dict[str, Any]:
    """What REST shows, as what a message of the same fields is made of."""
    plain: dict[str, Any] = msgspec.to_builtins(shown)
    return plain


def _failed(body: bytes, error: FreeholdError) -> bytes:
    """What a stream answers to a request that failed; its id, where it has one that can be read, tells which."""
    try:
        failed: bytes = _STREAMED(
            error_message=told(error), infer_response={"id": receive(body).message.id}
        ).SerializeToString()
    except FreeholdError:
        failed = _STREAMED(error_message=told(error)).SerializeToString()
    return failed
