"""Secrets by reference: a configuration holds `${env:NAME}` or `${file:PATH}`, never the secret itself."""

import re
from collections.abc import Mapping

from freehold.config.forms import REFERENCE
from freehold.config.home import expanded
from freehold.errors import FreeholdError


def is_reference(text: str) -> bool:
    """Whether `text` stands for a secret that lies elsewhere."""
    return re.fullmatch(REFERENCE, text) is not None


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """What a reference stands for, read now, as one line; any other text as it is.

    Raises `secret_missing` (also for an empty one), `secret_malformed` or `secret_unreadable`.
    """
    if not is_reference(text):
        return text
    try:
        value = _read(text, environ).decode()
    except UnicodeDecodeError:
        raise FreeholdError("secret_unreadable", path=parts(text)[1], reason="not UTF-8") from None
    if not value.isprintable():
        raise FreeholdError("secret_malformed", reference=text)
    return value


def resolve_file(reference: str, environ: Mapping[str, str]) -> bytes:
    """What a reference stands for as the content of a file: as `resolve`, but a file may have many lines."""
    return resolve(reference, environ).encode() if parts(reference)[0] == "env" else _read(reference, environ)


def parts(reference: str) -> tuple[str, str]:
    """The kind of a reference, `env` or `file`, and the name or path."""
    kind, _, name = reference[2:-1].partition(":")
    return kind, name


def _read(reference: str, environ: Mapping[str, str]) -> bytes:
    kind, name = parts(reference)
    try:
        value = environ.get(name, "").encode(errors="surrogateescape") if kind == "env" else expanded(name).read_bytes()
    except FileNotFoundError:
        value = b""
    except OSError as error:
        raise FreeholdError("secret_unreadable", path=name, reason=error.strerror or str(error)) from None
    if not value.strip():
        raise FreeholdError("secret_missing", reference=reference, place=name)
    return value.strip()
