"""What Prometheus scrapes."""

from freehold.http import Call, Response, Route
from freehold.telemetry import Telemetry


def routes(telemetry: Telemetry) -> list[Route]:
    """`/metrics`, in the format that the scraper asks for."""

    async def metrics(call: Call) -> Response:
        accept = call.header(b"accept") or b""
        body, content_type = telemetry.exposition(accept.decode("latin-1"))
        return Response(body, content_type=content_type.encode())

    return [Route("GET", "/metrics", metrics, "plain")]
