"""Whether another server answers, what it knows, and with which key it is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Ability, Limits, ModelConfig, Network
from freehold.engine.base import Capacity
from freehold.gateway.upstreams.health import LONGEST_S, Terms
from freehold.gateway.upstreams.replica import Replica
from freehold.gateway.upstreams.upstream import Sharing, Upstream
from freehold.http import Admission, MemoryBudget
from freehold.telemetry import Telemetry
from tests.crowd import eventually

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"  # of a key that is good for nothing else
KEY = "sk-only-theirs"


def test_a_server_that_goes_and_comes_back_is_noticed(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """Without a request: its state and its gauge follow; requests pass again."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.stop()
    node.look()
    node.wait("theirs", "failed")
    assert node.upstream().error.code == "upstream_unreachable"
    assert 'freehold_model_ready{model="theirs"} 0.0' in node.telemetry.exposition()[0].decode()
    server.start()
    node.wait("theirs")
    assert node.upstream().error is None
    assert node.ask("theirs").status_code == 200
    assert 'freehold_model_ready{model="theirs"} 1.0' in node.telemetry.exposition()[0].decode()


def test_a_server_that_is_down_is_not_waited_for(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """What is known of it is told at once."""
    server = unruly()
    server.stop()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs", "failed")
    answer = node.ask("theirs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unreachable")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"status": 500}, "upstream_unhealthy"),
        ({"models": []}, "upstream_empty"),
        ({"raw": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"}, "upstream_garbage"),
        ({"raw": "SSH-2.0\r\n\r\n"}, "upstream_garbage"),
        ({"raw": "HTTP/1.1 301 Moved\r\nLocation: /v2/models\r\nContent-Length: 0\r\n\r\n"}, "upstream_garbage"),
        ({"models": [{"id": "a\r\nX-Own: 1"}]}, "upstream_garbage"),
        ({"key": "another"}, "upstream_key_refused"),
    ],
)
def test_a_server_that_answers_wrongly_is_not_ready(
    front: Callable[..., Any], unruly: Callable[..., Any], settings: dict[str, Any], code: str
) -> None:
    """Each way of it has its code; once it behaves, it is ready."""
    server = unruly(**settings)
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs", "failed")
    assert node.upstream().error.code == code
    if "raw" in settings:
        return  # it cannot be told to behave
    server.change(status=200, key="", models=[{"id": "theirs"}])
    node.wait("theirs")


def test_a_busy_server_is_not_given_up_while_it_answers(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Callable[..., Any]
) -> None:
    """Three probes must fail in a row, with no answer to a request between them."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.change(status=500)
    for _ in range(3):
        failed = node.upstream().replicas[0].probed.doubts
        node.look()
        soon(lambda failed=failed: node.upstream().replicas[0].probed.doubts > failed)
        assert node.ask("theirs").status_code == 200
    soon(lambda: node.look() or node.upstream().state == "failed")
    assert node.upstream().error.code == "upstream_unhealthy"


def test_a_server_without_a_list_of_models_is_taken_as_it_is(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """It answers; the name is the id, and what it can do is not known."""
    server = unruly(models=None)
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    assert node.ask("theirs").json() == {"model": "theirs"}
    assert node.upstream().abilities == ()


def test_the_key_is_read_when_it_is_needed_and_shown_nowhere(
    front: Callable[..., Any], unruly: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is written later, or with another key, is taken up; log, errors and state never show it."""
    caplog.set_level("DEBUG")
    file = tmp_path / "key"
    server = unruly(key=KEY)
    node = front(ModelConfig(id="theirs", source=server.url, key=f"${{file:{file}}}"))
    node.wait("theirs", "failed")
    assert node.upstream().error.code == "upstream_key_missing"
    file.write_text("sk-wrong\n")
    answer = node.ask("theirs")
    file.write_text(f"{KEY}\n")
    node.wait("theirs")
    assert node.ask("theirs").status_code == 200
    assert server.seen()["seen"][-1]["headers"]["authorization"] == f"Bearer {KEY}"
    told = caplog.text + answer.text + str(vars(node.upstream()).get("error"))
    assert KEY not in told
    assert "sk-wrong" not in told


@pytest.mark.parametrize(
    ("rows", "configured", "abilities"),
    [
        ([{"id": "theirs", "abilities": ["embed", "chat", "unheard"]}], None, ("chat", "embed")),
        ([{"id": "x", "capabilities": ["completion", "multimodal"]}], None, ("chat", "vision")),
        ([{"id": "x", "capabilities": {"function_calling": True, "vision": False}}], None, ("tools",)),
        ([{"id": "x", "abilities": ["chat"]}, {"id": "theirs", "abilities": ["stt"]}], None, ("stt",)),
        ([{"id": "x", "abilities": ["chat"]}, {"id": "y"}], None, ()),
        ([{"id": "theirs", "abilities": ["chat"]}], ("tts",), ("tts",)),
    ],
)
def test_abilities_are_learnt_or_configured(
    front: Callable[..., Any],
    unruly: Callable[..., Any],
    rows: list[dict[str, Any]],
    configured: tuple[Ability, ...] | None,
    abilities: tuple[str, ...],
) -> None:
    """In the words of other servers too, of its own row; the configuration knows better."""
    server = unruly(models=rows)
    node = front(ModelConfig(id="theirs", source=server.url, abilities=configured))
    node.wait("theirs")
    assert node.upstream().abilities == abilities


@pytest.mark.parametrize(("second", "digest"), [("sha256:1", "sha256:1"), ("sha256:2", ""), (None, "")])
def test_the_weights_are_those_that_all_replicas_have(
    front: Callable[..., Any], unruly: Callable[..., Any], second: str | None, digest: str
) -> None:
    """As servers of ours tell; where one has others, or is no such server, nobody knows whose answer it will be."""
    servers = [unruly(models=[{"id": "theirs", "freehold": {"digest": one}}]) for one in ("sha256:1", second)]
    node = front(ModelConfig(id="theirs", source=servers[0].url, replicas=(servers[1].url,)))
    node.wait("theirs")
    eventually(lambda: all(replica.ready for replica in node.upstream().replicas), "both replicas answer")
    assert node.upstream().digest == digest


def test_no_proxy_is_asked(
    front: Callable[..., Any], unruly: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment names: a declared upstream is reached directly."""
    server = unruly()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    assert node.ask("theirs").status_code == 200


def test_a_certificate_of_the_company_needs_its_authority(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """Without it the server is told to be not trusted; with it requests pass."""
    server = unruly(tls=str(CERTIFICATE))
    strange = front(ModelConfig(id="theirs", source=server.url))
    strange.wait("theirs", "failed")
    assert strange.upstream().error.code == "upstream_unreachable"
    assert "certificate is not trusted" in strange.upstream().error.cause
    node = front(ModelConfig(id="theirs", source=server.url), network=Network(ca=str(CERTIFICATE)))
    node.wait("theirs")
    assert node.ask("theirs", a=1).json() == {"model": "theirs", "a": 1}


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ready_upstream(count: int, clock: Clock, sharing: Sharing = Sharing()) -> Upstream:  # noqa: B008 - frozen
    """A model on `count` servers that answer their probes; no request is sent."""
    first, *others = (f"http://10.0.0.{number}:8000/v1" for number in range(count))
    model = ModelConfig(id="theirs", source=first, replicas=tuple(others))
    admission = Admission(Limits(), lambda: Capacity("requests", 0, 0, 0.0), MemoryBudget(1 << 20))
    upstream = Upstream(model, admission, Telemetry(process=False).model("theirs"), {}, "", sharing, clock)
    for replica in upstream.replicas:
        replica.probed.passed()
    return upstream


EVENTS = st.lists(
    st.tuples(st.sampled_from(["whole", "fails", "broke", "left", "waits"]), st.integers(0, 30), st.booleans()),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), EVENTS)
def test_who_answers_probes_is_asked_whatever_failed(count: int, events: list[tuple[str, int, bool]]) -> None:
    """Ejection alone never leaves nobody to ask, ejected ones are asked only then, and each returns in the end."""
    clock = Clock()
    upstream = ready_upstream(count, clock, Sharing(Terms(failures=2, first_s=5.0)))
    for what, pause_s, keyed in events:
        clock.now += pause_s
        admitted = [replica for replica in upstream.replicas if replica.ejection.admits(clock.now)]
        assert upstream.tripped == (not admitted)
        replica = upstream.pick(b"a key" if keyed else b"")
        assert replica in (admitted or upstream.replicas)
        if what == "broke":
            replica.broke()
        elif what in ("whole", "fails"):
            status = 200 if what == "whole" else 500
            replica.heard(status)
            replica.finished(status)
        if what != "waits":
            replica.give_back()
    clock.now += LONGEST_S
    for replica in upstream.replicas:
        replica.heard(200)
    assert not any(replica.ejection.ejected for replica in upstream.replicas)


def test_further_attempts_go_to_others_first() -> None:
    """Then to the same; a server that is ejected, or does not answer probes, is no other."""
    upstream = ready_upstream(3, Clock(), Sharing(Terms(failures=1)))
    tried: list[Replica] = []
    for _ in range(3):
        tried.append(upstream.pick(tried=tried))
    assert set(tried) == set(upstream.replicas)
    assert not upstream.has_another(tried)
    assert upstream.pick(tried=tried) in tried
    first, second, third = upstream.replicas
    second.broke()
    third.probed.lost(None)
    assert not upstream.has_another([first])


def test_a_conversation_keeps_its_server_while_others_come_and_go() -> None:
    """Unless it is gone itself; then all of its requests meet at one other."""
    upstream = ready_upstream(4, Clock())

    def home(key: bytes) -> Replica:
        replica = upstream.pick(key)
        replica.give_back()
        return replica

    homes = {key: home(key) for key in (b"conversation %d" % number for number in range(40))}
    assert len(set(homes.values())) == 4
    gone = upstream.replicas[2]
    gone.probed.lost(None)
    again = {key: home(key) for key in homes}
    assert all(again[key] is was for key, was in homes.items() if was is not gone)
    assert gone not in again.values()
    assert {key: home(key) for key in homes} == again


def test_what_is_known_of_servers_outlives_a_changed_configuration() -> None:
    """One more server and other terms: the old ones are ready, or out, as they were; the new one is not known yet."""
    clock = Clock()
    before = ready_upstream(3, clock, Sharing(Terms(failures=1, first_s=60.0)))
    before.replicas[1].broke()
    after = ready_upstream(4, clock, Sharing(Terms(failures=9)))
    for replica in after.replicas:
        replica.probed.lost(None)
    after.inherit(before)
    assert [replica.ready for replica in after.replicas] == [True, True, True, False]
    assert [replica.ejection.ejected for replica in after.replicas] == [False, True, False, False]
    assert after.state == "ready"
    assert {after.pick() for _ in range(4)} == {after.replicas[0], after.replicas[2]}
    assert after.replicas[0].ejection.terms.failures == 9


def test_the_first_request_after_a_change_has_the_key(tmp_path: Path) -> None:
    """Which is read when it is wanted, be that before the first probe."""
    file = tmp_path / "key"
    file.write_text("sk-theirs")
    model = ModelConfig(id="theirs", source="http://10.0.0.0:8000/v1", key=f"${{file:{file}}}")
    admission = Admission(Limits(), lambda: Capacity("requests", 0, 0, 0.0), MemoryBudget(1 << 20))
    after = Upstream(model, admission, Telemetry(process=False).model("theirs"), {})
    after.inherit(ready_upstream(1, Clock()))
    assert after.state == "ready"
    assert after.authorization() == {"Authorization": "Bearer sk-theirs"}


def test_servers_that_were_not_probed_yet_are_asked_only_before_any_other() -> None:
    """At a start nothing is known; afterwards those that are known to answer come first."""
    upstream = ready_upstream(3, Clock())
    for replica in upstream.replicas:
        replica.probed.lost(None)
    assert upstream.state == "loading"
    assert upstream.pick() in upstream.replicas
    upstream.replicas[1].probed.passed()
    assert {upstream.pick() for _ in range(5)} == {upstream.replicas[1]}
