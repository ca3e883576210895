"""The forms of single values: numbers, names, addresses, secrets; and how a key is documented."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = rf"^\$\{{(env:{ENV_NAME}|file:[^}}\r\n]+)\}}$"
ID = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$"
DURATION = r"^(forever|[0-9]+(s|m|h|d))$"


def doc(text: str, unit: str = "", default: str = "") -> Any:
    """The documentation of one key: its line, its unit, and in words a default that depends on other keys."""
    extra = {name: value for name, value in (("unit", unit), ("default", default)) if value}
    return Meta(description=text, extra=extra or None)


def form(pattern: str, notation: str, code: str = "config_value_invalid") -> Any:
    """A text of a fixed form, how the form is written for people, and the error of a text that has another."""
    return Meta(pattern=pattern, extra={"notation": notation, "code": code})


Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Dimension = Annotated[
    int, Meta(ge=-1, extra={"notation": "-1 | integer >= 1", "never": 0}, extra_json_schema={"not": {"const": 0}})
]
Secret = Annotated[str, form(REFERENCE, "${env:NAME} | ${file:PATH}", "config_secret_literal")]
Identifier = Annotated[str, form(ID, "[A-Za-z0-9._-], 1 to 128", "config_id_invalid")]
Duration = Annotated[str, form(DURATION, "forever | 90s | 30m | 12h | 7d")]
Subnet = Annotated[str, form(r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", "10.0.0.7 | 10.0.0.0/8 | fd00::/8")]
Text = Annotated[str, Meta(min_length=1)]
Line = Annotated[str, form(r"^[^\x00-\x1f\x7f]+$", "text, 1 line")]
Ability = Literal["chat", "vision", "tools", "stt", "tts", "embed", "rerank"]
Url = Annotated[str, form(r"^https?://[^\s/@]+(/[^\s@]*)?$", "http(s)://HOST[/PATH]")]
ProxyUrl = Annotated[
    str,
    form(
        rf"^(\$\{{(env:{ENV_NAME}|file:[^}}\r\n]+)\}}|(https?|socks5h?)://[^\s/@$]+/?)$",
        "http://HOST:PORT | ${env:NAME} | ${file:PATH}",
        "config_proxy_invalid",
    ),
]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mapping of the configuration."""
