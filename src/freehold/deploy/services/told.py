"""What a service of ours tells of itself: by its /readyz, and by errors among the lines that it writes."""

import re
from contextlib import suppress

import msgspec

_ERROR = re.compile(
    r"^(?:error|错误): (?P<cause>(?:(?!\n(?:error|错误): ).)+?)\n"
    r"  (?:fix|解决办法): (?P<fix>.+?)\n  \((?P<code>\w+)\)\s*$",
    re.MULTILINE | re.DOTALL,
)
"""As `cli.output.Output.told` writes it; another program's `error: ` before it is no part of it."""


class Trouble(msgspec.Struct, frozen=True):
    """One of our errors, in the words of the service."""

    code: str = ""
    cause: str = ""
    fix: str = ""


class Model(msgspec.Struct, frozen=True):
    """A model, and why it is not ready where it has failed."""

    id: str = ""
    state: str = ""
    error: Trouble | None = None


class Readiness(msgspec.Struct, frozen=True):
    """What is read of a /readyz. `troubles` keep nobody from answering; `configuration` is the sha256 of the file."""

    models: tuple[Model, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    configuration: str = ""


def readiness(body: bytes | str) -> Readiness | None:
    """The answer of a /readyz; None where it is another text."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(body, type=Readiness)
    return None


def last_trouble(said: str) -> Trouble | None:
    """The last of our errors in the lines of a service; None where there is none.

    That nothing could be loaded is passed over for the reason, which stands before it.
    """
    every = [Trouble(found["code"], found["cause"], found["fix"]) for found in _ERROR.finditer(said)]
    reasons = [trouble for trouble in every if trouble.code != "nothing_loaded"] or every
    return reasons[-1] if reasons else None
