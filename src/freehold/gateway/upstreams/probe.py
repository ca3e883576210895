"""What a server says of itself when it is asked whether it is there: the OpenAI API's list of models, or OIP's health.

Asking for its models costs a server little and tells their names, and what they can do. One that has no such list is
asked as the Open Inference Protocol wants it; one that has neither is taken as it is, since it answers.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import cast, get_args
from urllib.parse import quote

import msgspec

from freehold.config import Ability
from freehold.errors import FreeholdError
from freehold.gateway.wire.answer import Answer, SilenceError, WireError
from freehold.gateway.wire.connection import request_head
from freehold.gateway.wire.failures import REDIRECTIONS, before_answer, redirected
from freehold.gateway.wire.pool import Pools

PROBE_S = 5.0  # how long the answer to a probe may take
LONGEST_LIST = 4 << 20  # bytes of a list of models that are read

_VERSION = re.compile(r"/v[12]/*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OIP = re.compile(r"/v2/*$")
_WORDS: dict[str, Ability] = {
    **{ability: ability for ability in get_args(Ability)},
    "completion": "chat",
    "completion_chat": "chat",
    "multimodal": "vision",
    "function_calling": "tools",
    "embedding": "embed",
    "embeddings": "embed",
    "transcription": "stt",
    "speech": "tts",
}
"""What other servers call the same: llama.cpp, Mistral, LocalAI."""


@dataclass(frozen=True)
class Place:
    """The URL that a configuration names, with or without the API's version at its end."""

    url: str

    @property
    def root(self) -> str:
        """What both APIs lie below."""
        return _VERSION.sub("", self.url).rstrip("/")

    @property
    def is_oip(self) -> bool:
        """Whether it says by itself that it speaks the Open Inference Protocol."""
        return _OIP.search(self.url) is not None

    def of(self, path: str) -> str:
        """The URL of `path`: "chat/completions" and its like below the OpenAI API, "v2/..." below the root."""
        if path.startswith("v2/"):
            return f"{self.root}/{path}"
        return f"{self.root}/v1/{path}" if self.is_oip else f"{self.url.rstrip('/')}/{path}"


class _Computed(msgspec.Struct):
    """What a server of ours says of a model beside; one that it computes itself has a digest."""

    digest: str | None = None


_UNTOLD = _Computed()


class _Listed(msgspec.Struct):
    """A row of another server's `/v1/models`, as far as anything can be learnt from it."""

    id: str
    owned_by: object = None
    freehold: _Computed | None = None
    abilities: list[str] | None = None
    capabilities: list[str] | dict[str, object] | None = None


class _List(msgspec.Struct):
    data: list[_Listed]


_LIST = msgspec.json.Decoder(_List)


@dataclass(frozen=True)
class Told:
    """What a server calls its models, and what it says of the one that was asked for. Empty: it does not say.

    `salts`: it is one that takes `cache_salt`, by which prompts are kept apart that it remembers. `digest` is that of
    the weights, which servers of ours say.
    """

    names: tuple[str, ...] = ()
    abilities: tuple[Ability, ...] = ()
    salts: bool = False
    digest: str = ""


async def ask(pools: Pools, place: Place, headers: dict[str, str], model: str, name: str) -> Told:
    """What the server at `place` tells of `model`, which it should know as `name`.

    Raises what is wrong with it: `upstream_unreachable`, `upstream_slow`, `upstream_cut`, `upstream_garbage`,
    `upstream_key_refused`, `upstream_unhealthy`, `upstream_empty`, `upstream_model_unready`.
    """
    if not place.is_oip:
        status, body = await _get(pools, place.of("models"), headers, model)
        if status == 200:
            return _told(body, model, {name, model})
        if status != 404:
            return Told()
    status, _ = await _get(pools, place.of("v2/health/ready"), headers, model)
    if status == 404 and not place.is_oip:
        return Told()
    if status != 200:  # Triton says 400 while it loads
        raise FreeholdError("upstream_unhealthy", model=model, status=status)
    status, _ = await _get(pools, place.of(f"v2/models/{quote(name, safe='')}/ready"), headers, model)
    if status != 200:
        raise FreeholdError("upstream_model_unready", model=model, name=name, status=status)
    return Told()


async def _get(pools: Pools, url: str, headers: dict[str, str], model: str) -> tuple[int, bytes]:
    """Status and body of an answer that says nothing against its server."""
    pool, target = pools.at(url)
    own = [(name.lower().encode("ascii"), value.encode("utf-8")) for name, value in headers.items()]
    head = request_head("GET", target, [(b"host", pool.host), (b"accept-encoding", b"identity"), *own])
    try:
        async with asyncio.timeout(PROBE_S):
            answer = await pool.ask(head, b"", silence_s=PROBE_S)
            with contextlib.closing(answer):
                body = await _bounded(answer)
    except TimeoutError:
        raise before_answer(model, SilenceError(), PROBE_S) from None
    except WireError as failure:
        raise before_answer(model, failure, PROBE_S) from None
    if answer.status in (401, 403):
        raise FreeholdError("upstream_key_refused", model=model, status=answer.status)
    if answer.status in REDIRECTIONS:
        raise redirected(model, answer.status)
    if answer.status >= 500:
        raise FreeholdError("upstream_unhealthy", model=model, status=answer.status)
    return answer.status, body


async def _bounded(answer: Answer) -> bytes:
    body = bytearray()
    while len(body) <= LONGEST_LIST and (piece := await answer.read()):
        body += piece
    return bytes(body[:LONGEST_LIST])


def _told(body: bytes, model: str, names: set[str]) -> Told:
    try:
        listed = _LIST.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        reason = f"its /models is no list of models: {wrong}"
        raise FreeholdError("upstream_garbage", model=model, reason=reason) from None
    if not listed:
        raise FreeholdError("upstream_empty", model=model)
    if any(_CONTROL.search(row.id) for row in listed):  # names go into headers, also of requests to other replicas
        raise FreeholdError("upstream_garbage", model=model, reason="its /models lists names with control characters")
    row = next((row for row in listed if row.id in names), listed[0] if len(listed) == 1 else None)
    all_names = tuple(one.id for one in listed)
    if row is None:
        return Told(all_names)
    digest = (row.freehold or _UNTOLD).digest or ""
    return Told(all_names, _abilities(row), row.owned_by == "vllm" or bool(digest), digest)


def _abilities(row: _Listed) -> tuple[Ability, ...]:
    told = row.abilities or row.capabilities or []
    if isinstance(told, dict):
        told = [name for name, able in told.items() if able is True]
    found = {_WORDS[word] for word in told if word in _WORDS}
    return tuple(ability for ability in cast(tuple[Ability, ...], get_args(Ability)) if ability in found)
