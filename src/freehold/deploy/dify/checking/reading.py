"""Values out of answers whose shape nobody promised."""

from typing import Any

from freehold.deploy.dify.checking.check import Failed
from freehold.deploy.dify.checking.exchange import Exchange, shortened
from freehold.deploy.doctor.check import Text


def dig(value: Any, *path: str | int) -> Any:
    """What lies at a path of keys and indices; None where the path ends before."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def rows(exchange: Exchange, key: str) -> list[Any]:
    """The list at a key of an answer, [] where there is none."""
    found = dig(exchange.json, key)
    return found if isinstance(found, list) else []


def answered(exchange: Exchange) -> Exchange:
    """The exchange, where it is a whole answer of status 200; raises Failed."""
    if not exchange.ok:
        raise Failed(told(exchange))
    return exchange


def told(exchange: Exchange) -> str:
    """Status and what the answer says, in one line."""
    return exchange.told() if exchange.trouble else f"HTTP {exchange.status}: {error_text(exchange)}"


def content(exchange: Exchange) -> str:
    """The text of a whole answer; null and absent are "", as for the plugin. Raises Failed where there is no choice."""
    message = dig(answered(exchange).json, "choices", 0, "message")
    if not isinstance(message, dict):
        raise Failed(Text("no choices[0].message", "没有 choices[0].message"))
    return str(message.get("content") or "")


def finish_reason(exchange: Exchange) -> str:
    """Why a whole answer ended; "" where it does not say."""
    return str(dig(exchange.json, "choices", 0, "finish_reason") or "")


def tokens(usage: Any, name: str = "completion_tokens") -> int:
    """A count of a usage object, -1 where it is missing."""
    count = dig(usage, name)
    return count if isinstance(count, int) else -1


def error_text(exchange: Exchange) -> str:
    """What an answer says went wrong, in the forms that servers have; its text where it has none of them."""
    for path in (("error", "message"), ("error",), ("message",), ("detail",)):
        if isinstance(said := dig(exchange.json, *path), str):
            return shortened(said, 200)
    return shortened(exchange.text, 200)
