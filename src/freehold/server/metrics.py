"""What Prometheus scrapes."""

from collections.abc import Mapping

from freehold.http import Call, Response, Route
from freehold.server.dataplane import DataPlane
from freehold.telemetry import Shows, Telemetry


def routes(plane: DataPlane, telemetry: Telemetry) -> list[Route]:
    """`/metrics`, in the format that the scraper asks for; of models that its key sees alone where it sees not all."""

    async def metrics(call: Call) -> Response:
        plane.look()
        accept = call.header(b"accept") or b""
        body, content_type = telemetry.exposition(accept.decode("latin-1"), shows(call))
        return Response(body, content_type=content_type.encode())

    return [Route("GET", "/metrics", metrics, "plain", "metrics")]


def shows(call: Call) -> Shows | None:
    """What of the series is for this caller; None where all are.

    A key that sees not all models reads what is counted by model, of its own, and the usage of its tenant; how much the
    whole node does would tell of others.
    """
    visit = call.visit
    if visit is None or visit.sees_all:
        return None

    def is_shown(labels: Mapping[str, str]) -> bool:
        if "tenant" in labels:
            return labels["tenant"] == visit.key.tenant
        return "model" in labels and visit.sees(labels["model"]) and visit.sees(labels.get("route", labels["model"]))

    return is_shown
