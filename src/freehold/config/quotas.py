"""What the configuration says of how much keys and teams may use."""

from typing import Annotated

from freehold.config.forms import Count, Shape, doc


class KeyLimits(Shape, frozen=True):
    """How much a key, or a team together, may use; null is no limit. Only requests to models count."""

    requests_per_minute: Annotated[Count | None, doc("Requests in a minute of the clock.", "requests")] = None
    requests_per_day: Annotated[Count | None, doc("Requests in a day, which begins at midnight UTC.", "requests")] = (
        None
    )
    tokens_per_minute: Annotated[
        Count | None, doc("Tokens of questions and answers in a minute of the clock.", "tokens")
    ] = None
    tokens_per_day: Annotated[Count | None, doc("The same in a day, which begins at midnight UTC.", "tokens")] = None
    parallel: Annotated[Count | None, doc("Requests under way at once.", "requests")] = None
