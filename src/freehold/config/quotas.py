"""What the configuration says of how much keys and teams may use."""

from typing import Annotated

from msgspec import Meta

from freehold.config.forms import Shape, doc

MOST = 10**15
"""No limit is greater: what many nodes take of one, and owe beyond it, has to fit a database's 64 bits."""

Limit = Annotated[int, Meta(ge=1, le=MOST)]


class KeyLimits(Shape, frozen=True):
    """How much a key, or a team together, may use; null is no limit. Only requests to models count."""

    requests_per_minute: Annotated[Limit | None, doc("Requests in a minute of the clock.", "requests")] = None
    requests_per_day: Annotated[Limit | None, doc("Requests in a day, which begins at midnight UTC.", "requests")] = (
        None
    )
    tokens_per_minute: Annotated[
        Limit | None, doc("Tokens of questions and answers in a minute of the clock.", "tokens")
    ] = None
    tokens_per_day: Annotated[Limit | None, doc("The same in a day, which begins at midnight UTC.", "tokens")] = None
    parallel: Annotated[Limit | None, doc("Requests under way at once.", "requests")] = None
