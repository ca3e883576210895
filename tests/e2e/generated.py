"""Requests of every kind that a gateway must tell apart, made from a seed."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

LIMIT = 8 << 20
JSON = "application/json"
TYPES = (JSON, JSON, JSON, f"{JSON}; charset=utf-8", "Application/JSON ;x=y", None, "")
"""All count as JSON; None: no such header."""
OTHER_TYPES = ("text/plain", "application/x-www-form-urlencoded", "application/jsonl", "application/problem+json")
OPENAI = ("/v1/chat/completions", "/v1/embeddings", "/completions", "/rerank", "/v2/rerank", "/v1/audio/speech/")
CALLS = ("infer", "generate", "generate_stream")
NAMES = ("chat", "chat", "chat", "embed", "alpha", "solo", "dotted.1-b_c")
UNKNOWN = ("nobody", "Chat", "cha", "chatt", "x" * 300, "dotted_1-b_c", "chat ", "ch,at", 'c"hat', "c\\hat", "chat.*")
PLAIN = UNKNOWN[:6]
"""Those that a path holds without escapes. Envoy leaves other escapes as they are, and so cannot tell that such a name
is the same as the one in a header; nobody has such a name."""
NOT_ASCII = ("模型", "chât", "chat\n", "\U0001f600")
"""More unknown names, for bodies and escapes."""


@dataclass(frozen=True)
class Asked:
    """One request as it goes over the wire."""

    kind: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    chunked: bool = False

    @property
    def path(self) -> str:
        """What stands before the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind it."""
        return self.target.partition("?")[2]


def requests(seed: int, count: int) -> list[Asked]:
    """`count` requests, each kind as often as its share says, in no order."""
    random = Random(seed)
    kinds = random.choices(list(_KINDS), [share for share, _ in _KINDS.values()], k=count - OVERSIZED)
    made = [_made(random, kind, number) for number, kind in enumerate(kinds)]
    made += [_oversized(random, f"oversized-{number}", chunked=number % 2 == 1) for number in range(OVERSIZED)]
    random.shuffle(made)
    return made


OVERSIZED = 4
"""Of each thousand: they are large."""


def _made(random: Random, kind: str, number: int) -> Asked:
    return _KINDS[kind][1](random, kind, f"{kind}-{number}-{random.getrandbits(64):x}")


def _body(random: Random, kind: str, request_id: str) -> Asked:
    """Named by the body alone, spelled in the ways of JSON."""
    name = random.choice(NAMES)
    fields = [_field(random, name)]
    if random.random() < 0.2:  # of several the last one counts
        fields.insert(0, random.choice(['"model": "nobody"', '"model": 7', '"model": null', '"model": {"model": 1}']))
    fields[0:0] = random.sample(OTHERS, random.randint(0, 3))
    fields += random.sample(OTHERS, random.randint(0, 2))
    document = "{" + ", ".join(fields) + "}"
    return _post(
        random, kind, request_id, body=random.choice(("", " ", "\r\n\t")) + document + random.choice(("", "\n"))
    )


OTHERS = (
    '"input": "a lease ends"',
    '"messages": [{"role": "user", "content": "the \\"model\\": \\"nobody\\" of {"}]',
    '"inputs": [{"name": "model", "data": [[1, 2.5e-3, -0], []]}]',
    '"extra": {"model": "nobody", "deep": ' + "[" * 40 + "]" * 40 + "}",
    '"stream": false',
    '"seed": 9007199254740993',
    '"一": "\\ud83d\\ude00 é 模"',
    '"Model": "nobody"',
    '"": null',
)
"""What else stands in bodies."""


def _field(random: Random, name: str) -> str:
    key = random.choice(("model", "model", "model", "\\u006dodel"))
    return f'"{key}"{random.choice((": ", ":", " :"))}"{_spelled(random, name)}"'


def _spelled(random: Random, name: str) -> str:
    """As JSON, with some letters escaped without need."""
    if random.random() < 0.7:
        return json.dumps(name, ensure_ascii=random.random() < 0.5)[1:-1]
    return "".join(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else json.dumps(one)[1:-1] for one in name)


def _header(random: Random, kind: str, request_id: str) -> Asked:
    """Named by the header; the body says nothing, or cannot be read."""
    named = ("x-model-id" if random.random() < 0.8 else "X-Model-ID", random.choice(NAMES))
    return _post(random, kind, request_id, named, body=random.choice(UNREADABLE))


def _query(random: Random, kind: str, request_id: str) -> Asked:
    """Named by the query, with escapes, among others, the first of several."""
    pairs = [f"model_id={_escaped(random, random.choice(NAMES))}"]
    if random.random() < 0.3:
        pairs.append("model_id=nobody")
    pairs.insert(random.choice((0, len(pairs))), random.choice(("a=b", "a", "", "model=nobody", "a=%zz&b=c+d")))
    return _post(random, kind, request_id, query="&".join(pairs), body=random.choice(UNREADABLE))


UNREADABLE = ("", "{}", "null", '["model", "nobody"]', '{"model": null}', '{"model": ""}', "{", "model", '{"a": 1} {}')
"""Bodies that name no model."""


def _path(random: Random, kind: str, request_id: str) -> Asked:
    """Named by the path, with escapes, a version and a slash at the end."""
    name = _escaped(random, random.choice(NAMES))
    version = random.choice(("", "", "/versions/1", "/versions/a%20b"))
    slash = random.choice(("", "", "/"))
    if random.random() < 0.3:
        verb = random.choice(("", "/ready"))
        return Asked(kind, "GET", f"/v2/models/{name}{version}{verb}{slash}", (("x-request-id", request_id),))
    target = f"/v2/models/{name}{version}/{random.choice(CALLS)}{slash}"
    return _post(random, kind, request_id, path=target, body=random.choice(UNREADABLE))


def _agreeing(random: Random, kind: str, request_id: str) -> Asked:
    """Named at several places alike; at the others an empty name, which is none."""
    name = random.choice(NAMES)
    at = random.sample(("path", "header", "query", "body"), random.randint(2, 4))
    return _at(random, kind, request_id, {place: name if place in at else "" for place in PLACES})


PLACES = ("path", "header", "query", "body")


def _conflict(random: Random, kind: str, request_id: str) -> Asked:
    """Named at several places, not alike; unknown names among them."""
    names = random.sample((*sorted(set(NAMES)), *UNKNOWN[:3]), 2)
    at = random.sample(PLACES, random.randint(2, 4))
    said = {place: random.choice(names) if place in at[2:] else "" for place in PLACES}
    return _at(random, kind, request_id, {**said, at[0]: names[0], at[1]: names[1]})


def _unknown(random: Random, kind: str, request_id: str) -> Asked:
    """A name that nobody has, at one place or at all."""
    place = random.choice((*PLACES, "all"))
    names = {"header": UNKNOWN, "all": PLAIN}.get(place, (*UNKNOWN, *NOT_ASCII))
    name = random.choice(names)
    if place == "header" and name.strip() in NAMES:  # white space around a header's value is none of it
        name = "nobody"
    return _at(random, kind, request_id, {one: name if place in (one, "all") else "" for one in PLACES})


def _at(random: Random, kind: str, request_id: str, said: dict[str, str]) -> Asked:
    """A request that says these names, of which empty ones are said or left out."""
    headers = [("x-model-id", said["header"])] if said["header"] or random.random() < 0.2 else []
    query = f"model_id={_escaped(random, said['query'])}" if said["query"] or random.random() < 0.2 else ""
    path = f"/v2/models/{_escaped(random, said['path'])}/{random.choice(CALLS)}" if said["path"] else ""
    body = "{" + _field(random, said["body"]) + "}" if said["body"] else random.choice(UNREADABLE)
    return _post(random, kind, request_id, *headers, path=path, query=query, body=body)


def _malformed(random: Random, kind: str, request_id: str) -> Asked:
    """What is no JSON, or has a model that is no text, and nothing else that names one."""
    body = random.choice(
        (
            *(b'{"model": "chat"', b'{"model": "chat"} x', b"{'model': 'chat'}", b'{"model": "chat",}', b"{model: 1}"),
            *(b'{"model": "ch\xffat"}', b'{"model": "a\nb"}', b"{", b"chat"),
            *(b'{"model": 1}', b'{"model": 0.5}', b'{"model": true}', b'{"model": "chat", "model": false}'),
            *(b'{"model": {}}', b'{"model": ["chat"]}', b'{"model": "\\ud800"}', b'{"model": "\\x41"}', b'{"a": 01}'),
            *(b'{"model": "chat" "a": 1}', b'{"model": NaN}', b'["chat"', b'"chat'),
        )
    )
    return _post(random, kind, request_id, body=body)


def _compressed(random: Random, kind: str, request_id: str) -> Asked:
    """Under a Content-Encoding, named by the body alone or elsewhere, too."""
    encoding = random.choice(("gzip", "GZIP", "br", "deflate, gzip", "x-unknown", "identity", "Identity", ""))
    plain = json.dumps({"model": random.choice(NAMES)}).encode()
    body = plain if encoding.lower() in ("identity", "") or random.random() < 0.2 else gzip.compress(plain, mtime=0)
    headers = [("content-encoding", encoding)]
    if random.random() < 0.4:
        headers.append(("x-model-id", random.choice(NAMES)))
    return _post(random, kind, request_id, *headers, body=body)


def _unnamed(random: Random, kind: str, request_id: str) -> Asked:
    """Nothing names a model, or only a body that is said to be no JSON."""
    if random.random() < 0.5:
        return _post(random, kind, request_id, body=random.choice(UNREADABLE[:6]))
    body = json.dumps({"model": random.choice(NAMES)})
    return _post(random, kind, request_id, body=body, types=OTHER_TYPES)


def _lost(random: Random, kind: str, request_id: str) -> Asked:
    """A path where nothing is, or another method than the one that belongs there."""
    name = random.choice(NAMES)
    if random.random() < 0.5:
        paths = ("/v1/chat", "/v1", "/v2/models", "/v2/models//infer", f"/v2/models/{name}/nothing", "/v3/embeddings")
        more = (f"/v2/models/{name}/versions", f"/v2/models/{name}/versions/1/infer/x", "/v1/v1/embeddings", "/v1chat")
        more += tuple(f"/v2/models/{name}/versions/{version}/infer" for version in ("..%2F..%2Fx", "a%5Cb", "%2f"))
        return _post(random, kind, request_id, path=random.choice((*paths, *more)), body=json.dumps({"model": name}))
    target = random.choice((*OPENAI, f"/v2/models/{name}/infer", f"/v2/models/{name}/versions/2/generate"))
    if random.random() < 0.3:
        return _post(random, kind, request_id, path=f"/v2/models/{name}/ready", body="{}")
    method = random.choice(("GET", "PUT", "DELETE", "PATCH"))
    body = b"" if method == "GET" else json.dumps({"model": name}).encode()
    return Asked(kind, method, target, (("x-request-id", request_id), ("content-type", JSON)), body)


def _oversized(random: Random, request_id: str, *, chunked: bool) -> Asked:
    """One byte too many, whoever names the model."""
    name = random.choice(NAMES)
    start = b'{"model": "%s", "input": "' % name.encode()
    body = start + b"a" * (LIMIT + 1 - len(start) - 2) + b'"}'
    headers = (("x-request-id", request_id), ("x-model-id", name), ("content-type", JSON))
    return Asked("oversized", "POST", OPENAI[0], headers, body, chunked)


def _post(
    random: Random,
    kind: str,
    request_id: str,
    *headers: tuple[str, str],
    path: str = "",
    query: str = "",
    body: str | bytes,
    types: tuple[str | None, ...] = TYPES,
) -> Asked:
    """To a path of the OpenAI API, unless another one is given."""
    content_type = random.choice(types)
    named = [("x-request-id", request_id), *headers]
    if content_type is not None:
        named.append(("content-type", content_type))
    target = (path or random.choice(OPENAI)) + (f"?{query}" if query else "")
    content = body.encode() if isinstance(body, str) else body
    return Asked(kind, "POST", target, tuple(named), content, chunked=random.random() < 0.15)


def _escaped(random: Random, name: str) -> str:
    """For a path or a query: what must be escaped is, some other letters are."""
    return "".join(_percent(random, one) for one in name)


def _percent(random: Random, one: str) -> str:
    if one.isascii() and (one.isalnum() or one in "._-") and random.random() < 0.85:
        return one
    form = random.choice(("%%%02x", "%%%02X"))
    return "".join(form % byte for byte in one.encode())


Maker = Callable[[Random, str, str], Asked]

_KINDS: dict[str, tuple[int, Maker]] = {
    "body": (25, _body),
    "header": (8, _header),
    "query": (10, _query),
    "path": (12, _path),
    "agreeing": (8, _agreeing),
    "conflict": (10, _conflict),
    "unknown": (9, _unknown),
    "malformed": (7, _malformed),
    "compressed": (6, _compressed),
    "unnamed": (4, _unnamed),
    "lost": (4, _lost),
}
"""Each kind's share, and who makes it."""


def kinds() -> Iterator[str]:
    """All there are."""
    yield from _KINDS
    yield "oversized"
