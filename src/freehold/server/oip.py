"""Open Inference Protocol v2 over REST: metadata, configuration, statistics and infer, for models of every kind."""

from freehold.http import Call, Response, Route
from freehold.http.compression import deflate
from freehold.protocol import oip
from freehold.protocol.oip_metadata import ModelReady, encode_metadata
from freehold.protocol.oip_statistics import StatisticsAnswer
from freehold.server import description, inference
from freehold.server.dataplane import DataPlane
from freehold.server.models import Served
from freehold.server.shared_memory import tenant_of
from freehold.server.text import truncation

VERSIONS = ("", "/versions/{version}")
"""What follows the model's name in a path."""


def routes(plane: DataPlane) -> list[Route]:
    """Server and model metadata, readiness of a model, configuration, statistics, infer; each model path also with its
    version."""

    def named(call: Call) -> Served:
        return plane.seen_by(call).find(call.params["model"], call.params.get("version", ""))

    async def server(call: Call) -> Response:
        return Response(encode_metadata(description.server(plane.shared)))

    async def model(call: Call) -> Response:
        return Response(encode_metadata(description.metadata(plane.models, named(call))))

    async def ready(call: Call) -> Response:
        return Response(encode_metadata(ModelReady(named(call).available().id, ready=True)))

    async def config(call: Call) -> Response:
        return Response(encode_metadata(description.config(plane.models, named(call))))

    async def stats(call: Call) -> Response:
        told = description.statistics(plane.seen_by(call), call.params.get("model", ""), call.params.get("version", ""))
        return Response(encode_metadata(StatisticsAnswer(told)))

    async def infer(call: Call) -> Response:
        named(call).available()  # one that is not there, or cannot answer, is told before the body comes
        length = oip.parse_header_length(call.header(oip.HEADER_LENGTH))
        body = await call.body()
        # Only now, since another graph may be loaded while a body comes: from here to the engine nothing is waited for.
        served = await plane.seen_by(call).wake(call.params["model"], call.params.get("version", ""))
        inputs, outputs = inference.signature(served.engine.manifest)
        with plane.shared.lease(call.hold, tenant_of(call.visit)) as regions:
            request = oip.parse_infer(body, length, inputs, outputs, regions)
            inferred = await inference.infer(plane, call, served, request)
            encoded = oip.encode_infer(request, inferred.arrays, served.id, served.version, regions)
        body, packed = await deflate(encoded.body, call.header(b"accept-encoding"))
        headers = (*oip.header_length(encoded), *truncation(inferred.answer), *packed)
        return Response(body, content_type=encoded.content_type, headers=headers)

    reads = (("", model), ("/ready", ready), ("/config", config), ("/stats", stats))
    return [
        Route("GET", "/v2", server, "oip", "metadata"),
        Route("GET", "/v2/models/stats", stats, "oip", "metadata"),
        *(
            Route("GET", f"/v2/models/{{model}}{version}{path}", endpoint, "oip", "metadata")
            for path, endpoint in reads
            for version in VERSIONS
        ),
        *(Route("POST", f"/v2/models/{{model}}{version}/infer", infer, "oip", "infer") for version in VERSIONS),
    ]
