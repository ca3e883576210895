"""A request for a model that sleeps waits for its load, whichever endpoint it came to."""

from dataclasses import replace

from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route, Stream
from freehold.server.models import Models

MOST = 8
"""How often a model may fall asleep again between its load and its turn, where memory is short."""


def waking(models: Models, route: Route) -> Route:
    """`route`, whose endpoint is asked again once the model is loaded that it found asleep.

    It can be: until an endpoint has its model it has computed nothing, and the body is kept by the call. A route that
    asks for no inference, as one that tells of models, wakes none.
    """
    if route.right != "infer":
        return route
    endpoint = route.endpoint

    async def answer(call: Call) -> Response | Stream:
        for _ in range(MOST):
            try:
                return await endpoint(call)
            except FreeholdError as error:
                if error.code != "model_asleep":
                    raise
                model, version = str(error.details["model"]), str(error.details["version"])
            await call.body()
            await call.while_connected(models.wake(model, version))
        return await endpoint(call)

    return replace(route, endpoint=answer)
