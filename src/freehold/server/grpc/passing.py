"""Calls for names that are not simply a model of this process: routes, and models that other servers compute.

They go through the endpoints of REST, in this process, so that shares, rollouts, shadows and fallbacks are the same for
both protocols, and are counted once.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import msgspec

from freehold.errors import FreeholdError
from freehold.http import Call, MemoryBudget, Response, Route, Stream
from freehold.http.call import Endpoint
from freehold.protocol import oip
from freehold.protocol.grpc.infer import Received
from freehold.protocol.grpc.messages import Message
from freehold.protocol.grpc.rest import from_rest, to_rest
from freehold.server.grpc.reception import GrpcCall

Leads = Callable[[str], bool]

_REFUSED = {404: "passed_unknown", 429: "passed_busy", 503: "passed_busy", 504: "passed_late"}
"""What an error of another server is here, by its status; else by whose mistake it was."""
_TOLD = b"x-"
"""How those headers begin that an answer passes on as trailing metadata."""
_LONGEST = 500


class Passing:
    """Asks REST's endpoints `routes` for those names that `leads` is true of."""

    def __init__(self, leads: Leads, routes: Sequence[Route], memory: MemoryBudget) -> None:
        self._leads = leads
        self._endpoints: Mapping[tuple[str, str], Endpoint] = {
            (route.method, route.path): route.endpoint for route in routes
        }
        self._memory = memory

    def leads(self, call: GrpcCall, model: str) -> bool:
        """Whether that name leads further for this caller: one that it does not see is answered as one that is not
        there, in the words of such."""
        return call.sees(model) and self._leads(model)

    async def infer(self, call: GrpcCall, received: Received) -> bytes:
        """The ModelInferResponse. Raises what the endpoint raises, and `passed_*` for what another server answered."""
        asked = received.message
        body, length = to_rest(received)
        headers = {oip.HEADER_LENGTH: b"%d" % length}
        answer = await self._ask(call, "POST", asked.model_name, asked.model_version, "/infer", headers, body)
        told = dict(answer.headers)
        try:
            message = from_rest(answer.body, oip.parse_header_length(told.get(oip.HEADER_LENGTH)))
        except ValueError as error:
            raise FreeholdError("passed_garbage", model=asked.model_name, reason=str(error)[:_LONGEST]) from None
        call.told = tuple(header for header in answer.headers if header[0].startswith(_TOLD))
        return message

    async def tell(self, call: GrpcCall, asked: Message, path: str) -> dict[str, Any]:
        """What is said of a model below its path, as JSON. `asked` has its `name` and `version`. Raises as `infer`."""
        answer = await self._ask(call, "GET", asked.name, asked.version, path)
        try:
            return msgspec.json.decode(answer.body or b"{}", type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise FreeholdError("passed_garbage", model=asked.name, reason=str(error)[:_LONGEST]) from None

    async def _ask(
        self,
        call: GrpcCall,
        method: str,
        model: str,
        version: str,
        path: str,
        headers: Mapping[bytes, bytes] | None = None,
        body: bytes = b"",
    ) -> Response:
        """The whole answer of the endpoint, whose status is not one of an error."""
        params = {"model": model, **({"version": version} if version else {})}
        pattern = "/v2/models/{model}" + ("/versions/{version}" if version else "") + path
        filled = pattern.format(**{name: quote(value, safe="") for name, value in params.items()})
        asked = Call.own(filled, body, call.request_id, self._memory, method, headers or {})
        asked.params, asked.visit = params, call.visit
        status = 0
        try:
            answer = await _whole(await self._endpoints[method, pattern](asked), asked)
            status = answer.status
        finally:
            if asked.held:
                self._memory.give(asked.held)
            if asked.on_end is not None:
                asked.on_end(status, call.seconds())
        if status >= 400:
            raise _refusal(model, answer)
        return answer


async def _whole(answer: Response | Stream, asked: Call) -> Response:
    if isinstance(answer, Response):
        return answer
    pieces = []
    async with aclosing(answer.frames) as frames:
        async for frame in frames:
            asked.hold(len(frame))
            pieces.append(frame)
    return Response(b"".join(pieces), answer.status, answer.content_type, answer.headers)


def _refusal(model: str, answer: Response) -> FreeholdError:
    """What another server says is wrong, in its own words: `error` of the protocol, `detail` of others."""
    try:
        document = msgspec.json.decode(answer.body)
        said = document.get("error", document.get("detail")) if isinstance(document, dict) else document
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = answer.body.decode("utf-8", "replace")
    code = _REFUSED.get(answer.status, "passed_refused" if answer.status < 500 else "passed_failed")
    return FreeholdError(code, model=model, status=answer.status, reason=str(said)[:_LONGEST])
