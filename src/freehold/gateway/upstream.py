"""One model that another server computes: where it is, under which key and name, and whether it answers."""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, cast, get_args

import aiohttp
import msgspec

from freehold.config import Ability, ModelConfig, resolve
from freehold.errors import FreeholdError
from freehold.gateway.failures import REDIRECTIONS, before_answer, redirected
from freehold.http import Admission
from freehold.telemetry import ModelMetrics

log = logging.getLogger(__name__)

CONNECT_S = 5.0
PROBE_S = 5.0  # how long the answer to a probe may take
SETTLED_S = 10.0  # between probes of a server that answers
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0  # between probes of one that does not
STARTING_PAUSE_S = 0.25  # between probes of one that is being started here
DOUBTS = 3  # failed probes, with no answer to any request between them, until a server counts as down: it may be busy
CERTAIN = frozenset({"upstream_unreachable", "upstream_key_refused", "upstream_key_missing"})  # no doubt about these
KEEP_ALIVE_S = 4.0  # less than the 5 s after which uvicorn, and so vLLM, closes: a request must not meet that end
LONGEST_LIST = 4 << 20  # bytes of a list of models that are read

State = Literal["loading", "ready", "restarting", "failed"]

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


class _Listed(msgspec.Struct):
    """A row of another server's `/v1/models`, as far as anything can be learnt from it."""

    id: str
    abilities: list[str] | None = None
    capabilities: list[str] | dict[str, object] | None = None


class _List(msgspec.Struct):
    data: list[_Listed]


_LIST = msgspec.json.Decoder(_List)


def open_session(ca: ssl.SSLContext | bool = True) -> aiohttp.ClientSession:
    """The connections to all upstreams of a node. How many there are is bounded by admission; no proxy is used."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=ca)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def trust(ca: str | None) -> ssl.SSLContext | bool:
    """Whom to believe: the system's authorities and those of the PEM file `ca`. Raises `ca_unreadable`."""
    if ca is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise FreeholdError("ca_unreadable", path=ca, reason=reason) from None
    return context


class Upstream:
    """A model behind another server. Used from the event loop's thread only.

    `base` is the URL that paths are appended to; None while the server is being started. `vital`: this node started
    that server, which then counts towards its own readiness.
    """

    def __init__(
        self,
        model: ModelConfig,
        admission: Admission,
        metrics: ModelMetrics,
        environ: Mapping[str, str],
        own_key: str = "",
    ) -> None:
        """`own_key` is one that this node gave to a server that it starts."""
        self.id = model.id
        self.created = int(time.time())
        self.admission = admission
        self.limits = model.limits
        self.vital = model.hosting == "child"
        self.base = None if self.vital else model.parsed_source.name
        self.error: FreeholdError | None = None
        self._model = model
        self._metrics = metrics
        self._environ = environ
        self._key = own_key
        self._own_key = own_key
        self._known: tuple[str, ...] = ()  # what that server calls its models
        self._abilities: tuple[Ability, ...] = ()
        self._ready = False
        self._was_ready = False
        self._failures = 0
        self._answers = asyncio.Event()
        self._doubt = asyncio.Event()
        metrics.proven("none")

    @property
    def state(self) -> State:
        """What a client can expect of it."""
        if self._ready:
            return "ready"
        if self.vital and self._was_ready:
            return "restarting"
        return "failed" if self.error is not None else "loading"

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """What it can do: as configured, else as far as its server tells."""
        return self._abilities if self._model.abilities is None else self._model.abilities

    @property
    def name_there(self) -> str:
        """What its server calls it. Raises `upstream_model_unknown` where that cannot be told."""
        if self._model.upstream_model is not None:
            return self._model.upstream_model
        if not self._known or self.id in self._known:
            return self.id
        if len(self._known) == 1:
            return self._known[0]
        known = ", ".join(self._known[:8]) + (", ..." if len(self._known) > 8 else "")
        raise FreeholdError("upstream_model_unknown", model=self.id, known=known)

    def check(self) -> str:
        """The URL to ask. Raises why it cannot be asked now; one that was not probed yet can."""
        if self.error is not None and not self._ready:
            raise self.error.again()
        if self.base is None or (self.vital and not self._ready):
            raise FreeholdError("model_loading", model=self.id)
        return self.base

    def authorization(self) -> dict[str, str]:
        """The header that lets this node in."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def move(self, base: str | None, error: FreeholdError | None = None) -> None:
        """Its server is being started at `base`, or is gone for the time being because of `error`."""
        self.base = base
        self._lose(error)
        self._doubt.set()

    def hear(self) -> None:
        """It has begun to answer a request: however slow its list of models is, it works."""
        self._failures = 0

    def suspect(self) -> None:
        """A request could not get through: look at once."""
        self._doubt.set()

    def refuse_key(self, status: int) -> FreeholdError:
        """What to say of a server that does not accept the key."""
        self._doubt.set()
        return FreeholdError("upstream_key_refused", model=self.id, status=status)

    async def answers(self) -> None:
        """Wait until it answers."""
        await self._answers.wait()

    async def watch(self, session: aiohttp.ClientSession) -> None:
        """Keep looking whether its server answers, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._doubt.clear()
            if self.base is not None:
                await self._probe(session, self.base)
            if self._ready:
                pause_s = FIRST_PAUSE_S
            wait_s = SETTLED_S if self._ready else STARTING_PAUSE_S if self.vital else pause_s
            if await _within(wait_s, self._doubt.wait):
                await asyncio.sleep(FIRST_PAUSE_S / 5)  # many requests may fail at once
            elif not self._ready:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _probe(self, session: aiohttp.ClientSession, base: str) -> None:
        verdict = await self._verdict(session, base)
        if base != self.base:
            return  # it has moved meanwhile
        if verdict is None:
            self._succeed()
        else:
            self._fail(verdict)

    async def _verdict(self, session: aiohttp.ClientSession, base: str) -> FreeholdError | None:
        """What is wrong with it, or nothing. Asking for its models costs it little and tells names and abilities."""
        timeout = aiohttp.ClientTimeout(total=PROBE_S, sock_connect=CONNECT_S)
        try:
            self._read_key()
            asked = session.get(f"{base}/models", headers=self.authorization(), timeout=timeout, allow_redirects=False)
            async with asked as answer:
                body = await _bounded(answer)
        except FreeholdError as error:
            return FreeholdError("upstream_key_missing", model=self.id, reason=error.cause, remedy=error.fix)
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            return before_answer(self.id, failure, PROBE_S)
        if answer.status in (401, 403):
            return FreeholdError("upstream_key_refused", model=self.id, status=answer.status)
        if answer.status in REDIRECTIONS:
            return redirected(self.id, answer.status)
        if answer.status >= 500:
            return FreeholdError("upstream_unhealthy", model=self.id, status=answer.status)
        return self._read_list(body) if answer.status == 200 else None  # it has no such path, and answers

    def _read_list(self, body: bytes) -> FreeholdError | None:
        try:
            listed = _LIST.decode(body).data
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            reason = f"its /models is no list of models: {wrong}"
            return FreeholdError("upstream_garbage", model=self.id, reason=reason)
        self._learn(listed)
        return None if listed else FreeholdError("upstream_empty", model=self.id)

    def _learn(self, listed: list[_Listed]) -> None:
        self._known = tuple(row.id for row in listed)
        mine = {self._model.upstream_model, self.id}
        row = next((row for row in listed if row.id in mine), listed[0] if len(listed) == 1 else None)
        told = (row.abilities or row.capabilities or []) if row is not None else []
        if isinstance(told, dict):
            told = [name for name, able in told.items() if able is True]
        found = {_WORDS[word] for word in told if word in _WORDS}
        self._abilities = tuple(ability for ability in cast(tuple[Ability, ...], get_args(Ability)) if ability in found)

    def _succeed(self) -> None:
        if not self._ready:
            log.info("upstream_ready", extra={"model": self.id, "url": self.base, "there": ", ".join(self._known[:8])})
        self._ready, self._was_ready, self.error, self._failures = True, True, None, 0
        self._answers.set()
        self._metrics.ready.set(1.0)

    def _fail(self, error: FreeholdError) -> None:
        self._failures += 1
        if self.vital and not self._was_ready and error.code != "upstream_key_refused":
            return  # it is starting: how that goes is told by who starts it
        if error.code in CERTAIN or self._failures >= DOUBTS or not self._ready:
            if self._ready or self.error is None:
                log.warning("upstream_down", extra={"model": self.id, "url": self.base, "cause": error.cause})
            self._lose(error)

    def _lose(self, error: FreeholdError | None) -> None:
        self._ready, self.error = False, error
        self._answers.clear()
        self._metrics.ready.set(0.0)

    def _read_key(self) -> None:
        """Read anew for every probe, so that a key that was changed in its file is taken up."""
        reference = self._model.key
        self._key = self._own_key if reference is None else resolve(reference, self._environ)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > LONGEST_LIST:
            break
        pieces.append(piece)
    return b"".join(pieces)


async def _within(seconds: float, wait: Callable[[], Awaitable[object]]) -> bool:
    """Whether `wait` ended within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await wait()
    except TimeoutError:
        return False
    return True
