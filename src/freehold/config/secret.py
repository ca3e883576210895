"""Secrets by reference: a configuration holds `${env:NAME}` or `${file:PATH}`, never the secret itself."""

import re
from collections.abc import Mapping
from pathlib import Path

from freehold.config.forms import REFERENCE
from freehold.config.home import expanded
from freehold.errors import FreeholdError


def is_reference(text: str) -> bool:
    """Whether `text` stands for a secret that lies elsewhere."""
    return re.fullmatch(REFERENCE, text) is not None


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """What a reference stands for, read now; any other text as it is. White space around a file's text is dropped.

    Raises `secret_missing` (also for an empty one), `secret_malformed` or `secret_unreadable`.
    """
    match = re.fullmatch(REFERENCE, text)
    if match is None:
        return text
    place, _, name = match[1].partition(":")
    value = environ.get(name, "").strip() if place == "env" else _read(expanded(name))
    if not value:
        raise FreeholdError("secret_missing", reference=text, place=name)
    if not value.isprintable():
        raise FreeholdError("secret_malformed", reference=text)
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise FreeholdError("secret_unreadable", path=path, reason="not UTF-8") from None
    except OSError as error:
        raise FreeholdError("secret_unreadable", path=path, reason=error.strerror or str(error)) from None
