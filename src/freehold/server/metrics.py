"""What Prometheus scrapes."""

from freehold.http import Call, Response, Route
from freehold.server.dataplane import DataPlane
from freehold.telemetry import Telemetry


def routes(plane: DataPlane, telemetry: Telemetry) -> list[Route]:
    """`/metrics`, in the format that the scraper asks for."""

    async def metrics(call: Call) -> Response:
        plane.look()
        accept = call.header(b"accept") or b""
        body, content_type = telemetry.exposition(accept.decode("latin-1"))
        return Response(body, content_type=content_type.encode())

    return [Route("GET", "/metrics", metrics, "plain", "metrics")]
