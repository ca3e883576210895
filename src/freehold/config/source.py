"""Where a model comes from: one grammar for configuration files, arguments and `MODEL_PATH`.

/models/bge-m3   ./model.onnx   model       path       a folder or an .onnx file
bge-m3:1   bge-m3@sha256:<64 hex>           store      an artifact of the local store
oci://host/team/bge-m3:1                    oci        an artifact in a registry
hf://BAAI/bge-m3@main                       hf         a repository of Hugging Face
ms://BAAI/bge-m3                            ms         a repository of ModelScope
https://llm.corp.local/v1                   upstream   a server that speaks the OpenAI API
"""

import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from freehold.config.nearest import nearest
from freehold.errors import FreeholdError

SourceKind = Literal["path", "store", "oci", "hf", "ms", "upstream"]

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"
HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?"

_STORE_NAME = re.compile(rf"(?P<name>{NAME})(?P<mark>[:@])(?P<rest>[^/\\]*)")
_OCI = re.compile(rf"(?P<name>(?:{HOST})(?:/{NAME})+)(?::(?P<version>{TAG}))?(?:@(?P<digest>{DIGEST}))?")
_HUB = re.compile(rf"(?P<name>{NAME}/{NAME})(?:@(?P<version>[A-Za-z0-9][A-Za-z0-9._/-]*))?")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)")
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_LONGEST = 4096  # characters; the longest path that Linux takes

_FORMS: dict[str, str] = {
    "oci": "oci://HOST/REPOSITORY:TAG",
    "hf": "hf://ORG/NAME[@REVISION]",
    "ms": "ms://ORG/NAME[@REVISION]",
    "https": "https://HOST/v1",
    "http": "http://HOST:PORT/v1",
}


class Source(msgspec.Struct, frozen=True):
    """One parsed source.

    `name` is the path, the name in the store, `host/repository`, `org/name` or the URL, by `kind`; `version` is a tag
    (store, oci) or a revision (hf, ms); `digest` is `sha256:<hex>`. What the text left out is "".
    """

    kind: SourceKind
    name: str
    version: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """The source as it is written; parsing it again gives an equal source."""
        if self.kind in ("path", "upstream"):
            return self.name
        if self.kind in ("hf", "ms"):
            return f"{self.kind}://{self.name}" + (f"@{self.version}" if self.version else "")
        prefix = "oci://" if self.kind == "oci" else ""
        tag = f":{self.version}" if self.version else ""
        return f"{prefix}{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Source:
    """Read `text` by the grammar above. Nothing is looked up: a source that parses need not exist.

    Raises FreeholdError: `source_invalid`, `source_scheme_unknown`, `source_digest_invalid`, `source_has_password`.
    """
    if not text.strip() or len(text) > _LONGEST or any(not character.isprintable() for character in text):
        raise FreeholdError(
            "source_invalid", source=_shown(text), form="a path, NAME:TAG, or " + ", ".join(_FORMS.values())
        )
    scheme = _SCHEME.fullmatch(text)
    if scheme:
        return _with_scheme(text, scheme["scheme"], scheme["rest"])
    if not _WINDOWS_DRIVE.match(text) and (match := _STORE_NAME.fullmatch(text)):
        return _in_store(text, match["name"], match["mark"], match["rest"])
    return Source("path", text)


def _in_store(text: str, name: str, mark: str, rest: str) -> Source:
    tag, at, digest = ("", "@", rest) if mark == "@" else rest.partition("@")
    if at and not re.fullmatch(DIGEST, digest):
        raise FreeholdError("source_digest_invalid", source=_shown(text), digest=_shown(digest))
    if mark == ":" and not re.fullmatch(TAG, tag):
        raise FreeholdError("source_invalid", source=_shown(text), form=f"{name}:TAG, ./PATH")
    return Source("store", name, version=tag, digest=digest)


def _with_scheme(text: str, scheme: str, rest: str) -> Source:
    kind = scheme.lower()
    if kind in ("http", "https"):
        return _upstream(text)
    if kind not in _FORMS:
        closest = nearest(kind, _FORMS) or "hf"
        raise FreeholdError(
            "source_scheme_unknown", source=_shown(text), scheme=scheme, known=", ".join(_FORMS), form=_FORMS[closest]
        )
    match = (_OCI if kind == "oci" else _HUB).fullmatch(rest)
    if match is None:
        raise FreeholdError("source_invalid", source=_shown(text), form=_FORMS[kind])
    parts = {key: value or "" for key, value in match.groupdict().items()}
    return Source("oci", **parts) if kind == "oci" else Source("hf" if kind == "hf" else "ms", **parts)


def _upstream(text: str) -> Source:
    try:
        url = urlsplit(text)
        _ = url.port  # checked by urllib when it is read
    except ValueError:
        raise FreeholdError("source_invalid", source=_shown(text), form=_FORMS["https"]) from None
    if url.username is not None or url.password is not None:
        raise FreeholdError(
            "source_has_password", source=f"{url.scheme}://***@{url.netloc.rpartition('@')[2]}{url.path}"
        )
    if not re.fullmatch(HOST, url.netloc) or url.query or url.fragment or re.search(r"\s", text):
        raise FreeholdError("source_invalid", source=_shown(text), form=_FORMS["https"])
    return Source("upstream", text.rstrip("/"))


def _shown(text: str) -> str:
    """`text` short and printable, for a message."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= 80 else printable[:77] + "..."
