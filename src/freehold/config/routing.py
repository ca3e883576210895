"""What the configuration says of routes: which models share a name, and how requests are passed on."""

from typing import Annotated, Literal

from msgspec import Meta

from freehold.config.forms import Count, Identifier, Seconds, Shape, Text, doc


class RouteTarget(Shape, frozen=True):
    """One model that a route sends requests to."""

    id: Annotated[Text, doc("The id of a model of `models`.")]
    weight: Annotated[Annotated[int, Meta(ge=0)], doc("Its share, relative to the route's other weights.")] = 1


class Shadow(Shape, frozen=True):
    """A model that gets copies of a route's requests. Its answers are compared and dropped."""

    id: Annotated[Text, doc("The id of a model of `models`.")]
    percent: Annotated[Annotated[int, Meta(ge=0, le=100)], doc("Share of the requests that is copied.", "%")] = 100
    compare: Annotated[
        Literal["auto", "exact", "numeric", "text"],
        doc("`auto`: numbers where answers are vectors, scores or tensors, else text."),
    ] = "auto"
    tolerance: Annotated[Annotated[float, Meta(ge=0)], doc("Numbers may differ by so much, absolutely.")] = 1e-3
    similarity: Annotated[Annotated[float, Meta(ge=0, le=1)], doc("Texts must be as alike as this; 1: equal.")] = 0.9


class Hold(Shape, frozen=True):
    """Requests that wait while no model of a route can answer yet."""

    requests: Annotated[Annotated[int, Meta(ge=0)], doc("So many at most; 0: none waits.")] = 64
    seconds: Annotated[Seconds, doc("So long at most, then 503.", "seconds")] = 30.0


class Route(Shape, frozen=True):
    """A name that clients ask for, served by one or more models."""

    model: Annotated[Identifier, doc("The name clients ask for.")]
    to: Annotated[tuple[RouteTarget, ...], doc("The models that share its requests, by their weights.")]
    fallback: Annotated[Text | None, doc("The model asked when none of `to` answers.")] = None
    shadow: Annotated[
        Text | Shadow | None, doc("A model that gets a copy of requests; its answers are compared and dropped.")
    ] = None
    balance: Annotated[
        Literal["least", "prefix"],
        doc("Which replica: the `least` busy, or for chats the one that saw the same beginning before (`prefix`)."),
    ] = "least"
    locality: Annotated[Text | None, doc("Only models with this `locality` may answer; refused otherwise.")] = None
    hold: Annotated[Hold, doc("How many may wait, and how long, while its models load.")] = Hold()

    @property
    def shadowed(self) -> Shadow | None:
        """The shadow in its long form."""
        return Shadow(self.shadow) if isinstance(self.shadow, str) else self.shadow


class Gateway(Shape, frozen=True):
    """How requests are passed on to other servers."""

    body_mb: Annotated[
        Count, doc("The largest body of a request that `freehold gateway`, Nginx and Envoy pass on.", "MiB")
    ] = 8
    retries: Annotated[
        Annotated[int, Meta(ge=0, le=10)], doc("Further attempts at other replicas, only before the first byte.")
    ] = 2
    eject_failures: Annotated[Count, doc("So many failures in a row take a replica out.")] = 5
    eject_s: Annotated[Seconds, doc("For so long the first time; each time in a row longer.", "seconds")] = 5.0
    pending: Annotated[Count | None, doc("Requests in flight at one replica; null: as `limits` say.", "requests")] = (
        None
    )
