"""What a real Nginx does with the rendered files: names, shares, failures, copies, streams."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.gateway.routing.identify import named
from freehold.gateway.routing.table import slot
from tests.gateway.rendering.conftest import NOT_RETURNED, Proxy, Start, Upstream, free_port, model
from tests.gateway.rendering.name_server import NameServer
from tests.pki import Authority, Pair

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
MEGABYTE = 1 << 20


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error in OpenAI's form."""
    return answer.status_code, answer.json()["error"]["code"]


def by(answer: httpx.Response) -> tuple[str, str]:
    """Who answered, by its own word and by the header."""
    return answer.json()["by"], answer.headers["x-freehold-model"]


def eventually(found: Callable[[], Any]) -> Any:
    """What `found` returns as soon as that is true."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if value := found():
            return value
        time.sleep(0.01)
    raise AssertionError("it never came true")


def serving(pair: Pair, authority: Authority) -> ssl.SSLContext:
    """A server that shows this certificate, and wants one of the authority from clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_path_header_query_and_body_name_the_model(serve: Start, behind_nginx: Proxy) -> None:
    """Each of the four is enough, names are rewritten to the upstream's own, and two that differ are a conflict."""
    one, two = serve("one"), serve("two")
    client = behind_nginx(models=[model(one), model(two, upstream_model="deep/two")])
    assert by(client.post(CHAT, json={"model": "one", "seed": 2**64})) == ("one", "one")
    assert one.seen[-1].body == b'{"model":"one","seed":18446744073709551616}'
    assert by(client.post("/embeddings", json={"model": "two", "x": {"model": "one"}})) == ("two", "two")
    assert (two.seen[-1].path, two.seen[-1].body) == ("/v1/embeddings", b'{"model":"deep/two","x":{"model":"one"}}')
    client.post(f"{CHAT}?a=%2F&model_id=two&b", content=b"packed", headers={"content-encoding": "gzip"})
    assert (two.seen[-1].path, two.seen[-1].body) == (f"{CHAT}?a=%2F&model_id=deep%2Ftwo&b", b"packed")
    client.post(CHAT, content=b"{", headers={**JSON, "x-model-id": "two"})
    assert (two.seen[-1].headers["x-model-id"], two.seen[-1].body) == ("deep/two", b"{")
    client.post("/v2/models/two/versions/3/infer", json={"inputs": []})
    assert two.seen[-1].path == "/v2/models/deep%2Ftwo/versions/3/infer"
    client.post("/v2/models/two/infer", content=b'{"model":"one"}', headers={"inference-header-content-length": "0"})
    assert two.seen[-1].body == b'{"model":"one"}'
    assert by(client.get("/v2/models/two/ready")) == ("two", "two")
    assert by(client.get("/v2/models/two/versions/3/config")) == ("two", "two")
    assert code(client.post(f"{CHAT}?model_id=two", json={"model": "one"})) == (400, "model_conflict")
    conflict = client.post("/v2/models/two/infer", json={}, headers={"x-model-id": "one"})
    assert conflict.status_code == 400
    assert "path: two, header x-model-id: one" in conflict.json()["error"]
    assert by(client.post("/v2/rerank/", json={"model": "two", "query": ""})) == ("two", "two")
    assert two.seen[-1].path == "/v1/rerank"


def test_what_is_no_request_for_a_model_is_refused_in_the_gateways_words(serve: Start, behind_nginx: Proxy) -> None:
    """Unknown names and paths, bodies that name nothing or are packed: status, code, and the names there are."""
    client = behind_nginx(models=[model(serve("one"))], routes=[{"model": "chat", "to": [{"id": "one"}]}])
    assert code(client.post(CHAT, json={"model": "none"})) == (404, "model_not_found")
    assert "Ask for one of: chat, one." in client.post(CHAT, json={"model": 'no\u4e2d"\n'}).json()["error"]["message"]
    assert code(client.post(CHAT, json={"model": "__proto__"})) == (404, "model_not_found")
    assert code(client.post(CHAT, json={"input": 1})) == (400, "model_not_named")
    assert code(client.post(CHAT, data={"model": "one"})) == (400, "model_not_named")
    packed = client.post(CHAT, content=b"x", headers={**JSON, "content-encoding": "gzip"})
    assert code(packed) == (415, "body_encoding_unsupported")
    assert code(client.post("/v1/none", json={"model": "one"})) == (404, "path_not_found")
    assert client.get("/v2/nothing").json()["error"].endswith("[path_not_found]")
    wrong = client.get(CHAT)
    assert (code(wrong), wrong.headers["allow"]) == ((405, "method_not_allowed"), "OPTIONS, POST")
    assert client.options(CHAT).status_code == 204
    assert client.post("/v2/models/none/infer", json={}).status_code == 404
    assert [row["id"] for row in client.get("/v1/models").json()["data"]] == ["chat", "one"]
    assert client.get("/v1/models/chat").json()["id"] == "chat"
    assert code(client.get("/models/none")) == (404, "model_not_found")
    assert client.get("/healthz").json() == {"live": True}


def test_bodies_up_to_the_limit_pass_and_larger_ones_do_not(serve: Start, behind_nginx: Proxy) -> None:
    """8 MiB of a body are rewritten; one byte more is a 413, whether its length is declared or not."""
    one = serve("one")
    client = behind_nginx(models=[model(one, upstream_model="other")])
    begin, end = b'{"text":"', b'","model":"one"}'
    largest = begin + b"a" * (8 * MEGABYTE - len(begin) - len(end)) + end
    assert client.post(CHAT, content=largest, headers=JSON).status_code == 200
    assert one.seen[-1].body == largest[:-6] + b'"other"}'
    pieces = [largest[at : at + 65536] for at in range(0, len(largest), 65536)]
    assert client.post(CHAT, content=iter(pieces), headers=JSON).status_code == 200
    assert code(client.post(CHAT, content=largest + b" ", headers=JSON)) == (413, "body_too_large")
    assert code(client.post(CHAT, content=iter([*pieces, b" "]), headers=JSON)) == (413, "body_too_large")
    named = client.post("/v2/models/one/infer", content=b"x" * (8 * MEGABYTE + 1))
    assert (named.status_code, named.json()["error"][-16:]) == (413, "[body_too_large]")
    seen = len(one.seen)
    padded = b"1;" + b"x" * 100_000 + b"\r\ny\r\n"  # what comes with a chunk fills memory, too
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), 20) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Model-Id: one\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + padded * 100 + b"0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert len(one.seen) == seen


DEEP = b'{"x":' + b"[" * 40 + b"%s" + b"]" * 40 + b',"model":"one"}'
ODD = [
    *(
        b"",
        b"null",
        b"[]",
        b'"model"',
        b'{"model":1}',
        b'{"model":null}',
        b'{"model":""}',
        b'{"model":{"model":"one"}}',
    ),
    *(b'{"model":"one",}', b'{"model":"one"}{}', b"\xef\xbb\xbf{}", b'{"model":"\xff"}', b'{"model":"\\ud800"}'),
    *(b'{"model":"one","x":"a\tb"}', b"{'model':'one'}", b'{"model":"one"', b'{"__proto__":{"model":"one"}}'),
    *(b'{"model":"one","model":null}', b'{"model":"one","model":2}', b'{"model":"one","model":"none"}'),
    *(DEEP % inner for inner in (b"1,", b"{]", b'"', b"tru", b"1 2", b",", b"[", b"]", b"[" * 2000 + b"]" * 2000)),
    DEEP.replace(b'"one"', b'"one","model":2') % b"",
    b"[" * 40 + b'{"model":"one"}' + b"]" * 40,
]
GOOD = [
    b'{"model" :\n"one"}',
    b'{"\\u006dodel":"one"}',
    b'{"model":"none","\\u006dod\\u0065l":"one"}',
    b'{"model":1,"model":"o\\u006ee"}',
    b'{"a\\"model":"none","x":"model","y":"\\"model\\":","model":"one"}',
    b'{"model":"one","x":"\xff","n":9007199254740993,"f":1.0}',
    b'{"x":{"model":"none"},"model":"one","y":[{"model":null}]}',
    DEEP % b'{"model":"none"},"\\u00e9\\\\",-1.5e3,true',
    b'{"x":' + b'{"model":' * 300 + b"null" + b"}" * 300 + b',"mode\\u006c":"one"}',
]


def test_bodies_that_name_no_model_are_told_from_those_that_do(serve: Start, behind_nginx: Proxy) -> None:
    """Whatever stands in a body, the last `model` of its outermost object counts, as the gateway's own reading says."""
    one = serve("one")
    client = behind_nginx(models=[model(one, upstream_model="there")])
    for body in (*ODD, *GOOD):
        name, reason = named(body)
        wanted = "json_malformed" if reason else {None: "model_not_named", "one": "", "none": "model_not_found"}[name]
        answer = client.post(CHAT, content=body, headers=JSON)
        assert (answer.json().get("error") or {}).get("code", "") == wanted, body
    for body, seen in zip(GOOD, one.seen[-len(GOOD) :], strict=True):
        assert named(seen.body) == ("there", ""), body
        assert seen.body.count(b"there") == len(seen.body.split(b'"there"')) - 1
    assert one.seen[-4].body == GOOD[5].replace(b'"one"', b'"there"')


_TEXTS = st.text(max_size=6) | st.sampled_from(["model", '"model":"one"', "\\"])
_VALUES = st.recursive(
    st.none() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(max_size=4), _VALUES, max_size=4)


def test_a_renamed_body_keeps_everything_else(serve: Start, behind_nginx: Proxy) -> None:
    """Any JSON object with a model arrives with the other name and nothing else changed."""
    one = serve("one")
    client = behind_nginx(models=[model(one, upstream_model="there")])

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(
        st.dictionaries(st.text(max_size=4), _VALUES, max_size=4),
        st.dictionaries(st.text(max_size=4), _VALUES),
        st.booleans(),
    )
    def keeps(before: dict[str, Any], after: dict[str, Any], ascii_only: bool) -> None:
        document = {**before, "model": "one", **{key: value for key, value in after.items() if key != "model"}}
        content = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "replace")
        assert client.post(CHAT, content=content, headers=JSON).status_code == 200
        assert json.loads(one.seen[-1].body) == {**json.loads(content), "model": "there"}

    keeps()


def test_shares_go_by_the_hash_of_the_requests_id(serve: Start, behind_nginx: Proxy) -> None:
    """With a model for every slot: XXH64 in halves of 32 bits is that of the package xxhash, for ids of any length."""
    one = serve("one")
    models = [{"id": f"slot-{place}", "source": one.url} for place in range(100)]
    routes = [{"model": "chat", "to": [{"id": row["id"]} for row in models]}]
    client = behind_nginx(models=models, routes=routes)
    seed = Random(5)
    for length in (*range(1, 129), *[36] * 72):
        text = "".join(chr(seed.randint(33, 126)) for _ in range(length))
        answer = client.post(CHAT, json={"model": "chat"}, headers={"x-request-id": text})
        assert answer.headers["x-freehold-model"] == f"slot-{slot(text.encode())}"
        assert answer.headers["x-request-id"] == text


def test_a_request_has_an_id_and_keeps_its_callers_secrets(serve: Start, behind_nginx: Proxy) -> None:
    """An id is made where none is fit; the client's keys and cookies go no further, the upstream's key is added."""
    one, two = serve("one"), serve("two")
    keys = {"keys/two.conf": 'proxy_set_header Authorization "Bearer sesame";\n'}
    client = behind_nginx(models=[model(one), model(two, key="${env:KEY}")], extra=keys)
    secrets = dict.fromkeys(("authorization", "proxy-authorization", "api-key", "cookie"), "a=mine")
    for name in ("one", "two"):
        answer = client.post(
            CHAT, json={"model": name}, headers={**secrets, "x-custom": "stays", "x-request-id": "y" * 129}
        )
        made = answer.headers["x-request-id"]
        assert len(made) == 32
        assert not NOT_RETURNED.keys() & answer.headers.keys()
        seen = (one if name == "one" else two).seen[-1].headers
        assert (seen["x-request-id"], seen["x-custom"]) == (made, "stays")
        assert "mine" not in str(seen)
        assert seen.get("authorization") == (None if name == "one" else "Bearer sesame")
        assert "x-model-id" not in seen


def test_another_model_is_asked_only_where_nothing_was_sent(serve: Start, behind_nginx: Proxy) -> None:
    """No connection: the next model, then the fallback, by its own name. Who breaks off is not asked again."""
    cut, last = serve("cut", cuts=True), serve("last")
    gone = Upstream("gone")
    client = behind_nginx(
        models=[model(cut), model(gone), model(last, upstream_model="there")],
        routes=[
            {"model": "next", "to": [{"id": "gone", "weight": 99}, {"id": "last"}]},
            {"model": "fallback", "to": [{"id": "gone"}], "fallback": "last"},
            {"model": "broken", "to": [{"id": "cut"}], "fallback": "last"},
        ],
    )
    for route in ("next", "fallback"):
        answer = client.post(CHAT, json={"model": route, "n": 1})
        assert by(answer) == ("last", "last")
        assert last.seen[-1].body == b'{"model":"there","n":1}'
    seen = len(last.seen)
    assert code(client.post(CHAT, json={"model": "broken"})) == (502, "upstream_cut")
    assert (len(cut.seen), len(last.seen)) == (1, seen)
    unreachable = client.post(CHAT, json={"model": "gone"})
    assert (code(unreachable), unreachable.headers["retry-after"]) == ((503, "upstream_unreachable"), "2")
    oip = client.post("/v2/models/gone/infer", json={})
    assert (oip.status_code, oip.json()["error"][-22:]) == (503, "[upstream_unreachable]")
    client.post(CHAT, json={"model": "last"})  # and the connection lives


def test_an_upstreams_own_errors_pass_as_they_are(serve: Start, behind_nginx: Proxy) -> None:
    """What a server says with 429, 500, 502 or 503 is its answer: no other model is asked, nothing is rewritten."""
    one, two = serve("one"), serve("two")
    client = behind_nginx(
        models=[model(one), model(two)], routes=[{"model": "chat", "to": [{"id": "one"}], "fallback": "two"}]
    )
    for status in (429, 500, 502, 503):
        one.status = status
        answer = client.post(CHAT, json={"model": "chat"})
        assert (answer.status_code, answer.json()) == (status, {"by": "one"})
    assert two.seen == []


def test_a_slow_server_and_a_full_one(serve: Start, behind_nginx: Proxy) -> None:
    """Silence ends after `deadline_s`, and more than `limits` let in is a 429 at once."""
    one = serve("one", held=threading.Event())
    full = serve("full", held=threading.Event())
    client = behind_nginx(
        models=[model(one, limits={"deadline_s": 0.2}), model(full, limits={"concurrency": 1, "queue": 1})]
    )
    assert code(client.post(CHAT, json={"model": "one"})) == (504, "upstream_slow")
    asking = [threading.Thread(target=client.post, args=(CHAT,), kwargs={"json": {"model": "full"}}) for _ in range(2)]
    for thread in asking:
        thread.start()
    eventually(lambda: len(full.seen) == 2)
    refused = client.post(CHAT, json={"model": "full"})
    assert (code(refused), refused.headers["retry-after"]) == ((429, "overloaded"), "1")
    assert full.held is not None
    full.held.set()
    for thread in asking:
        thread.join()
    assert client.post(CHAT, json={"model": "full"}).status_code == 200


def test_events_leave_one_by_one_and_a_cut_stream_ends(serve: Start, behind_nginx: Proxy) -> None:
    """The first event is here before the second is made; a server that dies in between ends the stream as broken."""
    one = serve("one")
    client = behind_nginx(models=[model(one)])
    for cuts in (False, True):
        one.released.clear()
        one.cuts = cuts
        with client.stream("POST", CHAT, json={"model": "one", "stream": True}) as answer:
            pieces = answer.iter_text()
            assert next(pieces) == 'data: {"by": "one"}\n\n'
            one.released.set()
            if cuts:
                with pytest.raises(httpx.RemoteProtocolError):
                    list(pieces)
            else:
                assert "".join(pieces) == "data: [DONE]\n\n"


def test_a_shadow_gets_copies_and_delays_nobody(serve: Start, behind_nginx: Proxy) -> None:
    """While the shadow has not answered, its client has, and the client's next request is answered too."""
    one, shadow = serve("one"), serve("shadow", held=threading.Event())
    client = behind_nginx(
        models=[model(one), model(shadow, upstream_model="there")],
        routes=[
            {"model": "chat", "to": [{"id": "one"}], "shadow": "shadow"},
            {"model": "never", "to": [{"id": "one"}], "shadow": {"id": "shadow", "percent": 0}},
        ],
    )
    for count in (1, 2):
        answer = client.post(f"{CHAT}?model_id=chat", json={"model": "chat", "n": count}, headers={"x-request-id": "r"})
        assert by(answer) == ("one", "one")
        copy = eventually(lambda count=count: len(shadow.seen) == count and shadow.seen[-1])
        assert copy.body == b'{"model":"there","n":%d}' % count
        assert (copy.path, copy.headers["x-request-id"]) == (f"{CHAT}?model_id=there", "r")
        assert one.seen[-1].body == b'{"model":"one","n":%d}' % count
    assert by(client.post(CHAT, json={"model": "never"})) == ("one", "one")
    assert shadow.held is not None
    shadow.held.set()
    assert len(shadow.seen) == 2


def test_replicas_share_and_stand_in_for_each_other(serve: Start, behind_nginx: Proxy) -> None:
    """Replicas by address share the requests; one that is gone is passed over, with nothing lost."""
    one, other, gone = serve("one"), serve("one"), Upstream("one")
    first = {"id": "one", "source": gone.url, "replicas": [one.url, other.url]}
    client = behind_nginx(models=[first])
    assert [client.post(CHAT, json={"model": "one"}).status_code for _ in range(12)] == [200] * 12
    assert one.seen
    assert other.seen


def test_a_name_is_asked_for_again_after_its_server_moved(
    serve: Start, behind_nginx: Proxy, started: ExitStack
) -> None:
    """Who comes back at another address is found there; of replicas by name one that is gone is passed over."""
    port = free_port()
    names = started.enter_context(NameServer({"a.test": "127.0.0.2", "b.test": "127.0.0.4"}).running())
    sources = {"source": f"http://a.test:{port}/v1", "replicas": [f"http://b.test:{port}/v1"]}
    client = behind_nginx(
        models=[{"id": "moves", "source": f"http://a.test:{port}/v1"}, {"id": "both", **sources}],
        resolvers=(names.address,),
    )
    with Upstream("first", "127.0.0.2", port).running() as first:
        assert client.post(CHAT, json={"model": "moves"}).json() == {"by": "first"}
        assert first.seen[-1].headers["host"] == f"a.test:{port}"
        assert [client.post(CHAT, json={"model": "both"}).json() for _ in range(8)] == [{"by": "first"}] * 8
    assert code(client.post(CHAT, json={"model": "moves"})) == (503, "upstream_unreachable")
    names.addresses["a.test"] = "127.0.0.3"
    with Upstream("second", "127.0.0.3", port).running():
        eventually(lambda: client.post(CHAT, json={"model": "moves"}).status_code == 200)
    del names.addresses["a.test"]
    assert eventually(lambda: code(client.post(CHAT, json={"model": "moves"})) == (503, "upstream_unreachable"))


def test_https_on_both_sides(serve: Start, behind_nginx: Proxy, started: ExitStack, tmp_path: Path) -> None:
    """Nginx shows the certificate, sends plain HTTP there, says HSTS, and wants upstreams to have their name."""
    authority = Authority(tmp_path / "pki")
    own, right, wrong = authority.issue(), authority.issue("a", ("a.test",)), authority.issue("b", ("other.test",))
    names = started.enter_context(NameServer({"a.test": "127.0.0.1", "b.test": "127.0.0.1"}).running())
    plain, tls = free_port(), {"certificate": str(own.certificate), "key": str(own.key)}
    servers = {}
    for name, pair in (("a", right), ("b", wrong)):
        servers[name] = serve(name, tls=serving(pair, authority))
    client = behind_nginx(
        models=[{"id": name, "source": f"https://{name}.test:{server.port}/v1"} for name, server in servers.items()],
        network={
            "ca": str(authority.file),
            "client_certificate": str(own.certificate),
            "client_key": str(own.key),
        },
        server={"tls": {**tls, "http_port": plain}},
        resolvers=(names.address,),
    )
    port = client.base_url.port
    redirect = httpx.get(f"http://127.0.0.1:{plain}/v1/models?x=1", trust_env=False)
    assert (redirect.status_code, redirect.headers["location"]) == (308, f"https://127.0.0.1:{port}/v1/models?x=1")
    with httpx.Client(base_url=f"https://localhost:{port}", verify=authority.context(), trust_env=False) as secure:
        answer = secure.post(CHAT, json={"model": "a"})
        assert by(answer) == ("a", "a")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert code(secure.post(CHAT, json={"model": "b"})) == (503, "upstream_unreachable")
