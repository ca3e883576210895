"""grpc.health.v1: what orchestrators ask a gRPC server. As `/livez` and `/readyz`, it needs no key."""

import asyncio
from collections.abc import AsyncGenerator

from freehold.errors import FreeholdError
from freehold.protocol.grpc.messages import HEALTH, INFERENCE, decode, message
from freehold.server.grpc.reception import GrpcCall, Reception
from freehold.server.models import Models
from freehold.telemetry import RouteMetrics

LOOK_S = 0.2  # between looks at the models for one who watches
LOOKS = 1000  # a second, for all who watch together: whoever likes may, without a key

_REQUEST = message("grpc.health.v1.HealthCheckRequest")
_ANSWER = message("grpc.health.v1.HealthCheckResponse")


class HealthService:
    """`Check` and `Watch`, of the whole server (""), and of its services by their full names."""

    def __init__(self, models: Models, reception: Reception) -> None:
        self._models = models
        self._reception = reception
        self._watching = 0

    def offer(self) -> None:
        """Have the reception take calls in for them."""
        self._reception.offer(f"/{HEALTH.full_name}/Check", None, self._check)
        self._reception.offer_talk(f"/{HEALTH.full_name}/Watch", None, self._watch)

    async def _check(self, call: GrpcCall, body: bytes) -> bytes:
        """Raises `service_unknown`, as the protocol wants it of `Check` and not of `Watch`."""
        status = self._status(body)
        if status == "SERVICE_UNKNOWN":
            raise FreeholdError("service_unknown", service=decode(_REQUEST, body).service[:200])
        return _encode(status)

    async def _watch(self, call: GrpcCall, metrics: RouteMetrics) -> AsyncGenerator[bytes, None]:
        """The status now, and again whenever it is another, until the server leaves."""
        body = await self._reception.next(call) or b""
        before = ""
        self._watching += 1
        try:
            while not self._reception.leaving:
                status = self._status(body)
                if status != before:
                    yield _encode(status)
                    before = status
                await asyncio.sleep(pause_s(self._watching))
        finally:
            self._watching -= 1
        yield _encode("NOT_SERVING")

    def _status(self, body: bytes) -> str:
        if decode(_REQUEST, body).service not in ("", INFERENCE.full_name, HEALTH.full_name):
            return "SERVICE_UNKNOWN"
        return "SERVING" if self._models.ready() else "NOT_SERVING"


def pause_s(watching: int) -> float:
    """How long one of so many who watch waits between looks, in seconds."""
    return max(LOOK_S, watching / LOOKS)


def _encode(status: str) -> bytes:
    encoded: bytes = _ANSWER(status=status).SerializeToString()
    return encoded
