"""Several servers of one model: shared out, killed, refusing, slow, broken, and back again."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from freehold.config import Limits, ModelConfig, Route, RouteTarget
from freehold.config.routing import Gateway as Sharing

FRAME = "data: %s\n\n"


def several(*servers: Any, **fields: Any) -> ModelConfig:
    first, *others = (server.url for server in servers)
    return ModelConfig(id="theirs", source=first, replicas=tuple(others), **fields)


def asked(*servers: Any) -> list[int]:
    """How many requests came to each."""
    return [len(server.seen()["seen"]) for server in servers]


def all_ready(node: Any, soon: Callable[..., Any]) -> Any:
    soon(lambda: all(replica.ready for replica in node.upstream().replicas))
    return node


def metric(node: Any, name: str, replica: int | None = None) -> float:
    labels = '{model="theirs"}' if replica is None else f'{{model="theirs",replica="{replica}"}}'
    lines = node.telemetry.exposition()[0].decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"freehold_{name}{labels}"))


@contextmanager
def streams(node: Any, count: int) -> Iterator[None]:
    """As many answers that do not end. An iterator that is dropped closes its connection."""
    endless = {"kind": "stream", "chunks": [FRAME % "x"], "then": "silence"}
    body = {"model": "theirs", "behave": endless}
    begun = []
    with ExitStack() as open_ones:
        for _ in range(count):
            answer = open_ones.enter_context(node.client.stream("POST", "/v1/chat/completions", json=body))
            begun.append(answer.iter_raw())
            assert next(begun[-1]) == b"data: x\n\n"
        yield


def test_requests_are_shared_out(front: Callable[..., Any], unruly: Callable[..., Any], soon: Any) -> None:
    """One after another they go round; one at a time each, side by side."""
    servers = [unruly(), unruly(), unruly()]
    node = all_ready(front(several(*servers)), soon)
    assert all(node.ask("theirs").status_code == 200 for _ in range(9))
    assert asked(*servers) == [3, 3, 3]
    with streams(node, 6):
        assert [replica.outstanding for replica in node.upstream().replicas] == [2, 2, 2]
        assert metric(node, "replica_requests_in_flight", 3) == 2
    soon(lambda: [replica.outstanding for replica in node.upstream().replicas] == [0, 0, 0])


def test_one_that_is_killed_costs_no_request_and_comes_back(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """Its connections are refused, so that nothing has arrived: others take its requests, of forms too."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers)), soon)
    servers[0].stop()
    assert all(node.ask("theirs").status_code == 200 for _ in range(6))
    form = {"model": (None, "theirs"), "file": ("a", b"sound" * 1000)}
    assert all(node.client.post("/v1/audio/transcriptions", files=form).status_code == 200 for _ in range(2))
    soon(lambda: metric(node, "replica_ready", 1) == 0)
    assert node.upstream().state == "ready"
    assert metric(node, "model_ready") == 1
    assert metric(node, "retries_total") >= 1
    servers[0].start()
    all_ready(node, soon)
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    assert asked(servers[0]) == [2]


def test_one_that_was_never_there_costs_no_request(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """The model is ready as soon as one of its servers is."""
    servers = [unruly(), unruly()]
    servers[0].stop()
    node = front(several(*servers))
    node.wait("theirs")
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    assert node.upstream().error is None


def test_all_down_is_told_with_every_reason(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """503 with Retry-After; the servers are numbered, their addresses stay in the log."""
    servers = [unruly(status=500), unruly()]
    servers[1].stop()
    node = front(several(*servers))
    node.wait("theirs", "failed")
    answer = node.ask("theirs")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "replicas_down")
    assert int(answer.headers["retry-after"]) > 0
    for words in ("1. ", "status 500", "2. ", "Connection refused"):
        assert words in error["message"]
    assert str(servers[0].port) not in answer.text


def test_one_that_fails_its_requests_is_cast_out(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """It answers its probes all the while; what it says of requests reaches their callers, until it is out."""
    servers = [unruly(broken=500), unruly()]
    node = all_ready(front(several(*servers), sharing=Sharing(eject_failures=2, eject_s=60.0)), soon)
    statuses = [node.ask("theirs").status_code for _ in range(12)]
    assert statuses.count(500) == 2
    assert set(statuses[4:]) == {200}
    assert [metric(node, name, 1) for name in ("replica_ejected", "replica_ejections_total")] == [1, 1]
    assert node.upstream().replicas[0].ready


def test_one_that_works_again_gets_its_share_again(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """A request tries it when its time is over, and the next ones follow."""
    servers = [unruly(broken=500), unruly()]
    node = all_ready(front(several(*servers), sharing=Sharing(eject_failures=1, eject_s=0.2)), soon)
    soon(lambda: node.ask("theirs").status_code == 500)
    assert metric(node, "replica_ejected", 1) == 1
    servers[0].change(broken=0)
    soon(lambda: node.ask("theirs").status_code == 200 and metric(node, "replica_ejected", 1) == 0)
    before = asked(*servers)
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    assert [now - then for now, then in zip(asked(*servers), before, strict=True)] == [2, 2]


@pytest.mark.parametrize("status", [429, 503])
def test_one_that_is_full_costs_no_request(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any, status: int
) -> None:
    """What it refuses is asked of another; when all are full the caller hears it."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers)), soon)
    servers[0].change(broken=status)
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    servers[1].change(broken=status)
    assert node.ask("theirs").status_code == status


def test_the_last_ones_are_asked_although_they_fail(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """Ejection alone never leaves nobody to ask; a route may prefer another model then."""
    servers = [unruly(broken=500), unruly(broken=500)]
    node = all_ready(front(several(*servers), sharing=Sharing(eject_failures=1, eject_s=60.0)), soon)
    assert [node.ask("theirs").status_code for _ in range(6)] == [500] * 6
    assert node.upstream().tripped
    assert node.upstream().state == "ready"
    servers[1].change(broken=0)
    soon(lambda: node.ask("theirs").status_code == 200)
    assert not node.upstream().tripped
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))


def test_conversations_keep_to_their_server(front: Callable[..., Any], unruly: Callable[..., Any], soon: Any) -> None:
    """By a route that is balanced by `prefix`: all turns of one meet at one server, and both have some."""
    servers = [unruly(), unruly()]
    route = Route("chat", (RouteTarget("theirs"),), balance="prefix")
    node = all_ready(front(several(*servers), routes=(route,)), soon)
    for turn in range(3):
        for number in range(12):
            messages = [{"role": "user", "content": f"question {number}."}, *[{"role": "assistant"}] * turn]
            assert node.ask("chat", messages=messages).status_code == 200
    seen = [Counter(re.findall(r"question \d+", str(server.seen()))) for server in servers]
    assert all(seen)
    assert {count for counter in seen for count in counter.values()} == {3}


def test_one_that_is_added_joins_while_the_others_go_on(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """A changed configuration keeps what is known of servers; an answer that has begun ends where it is."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(servers[0])), soon)
    config = node.gateway.config
    more = replace(config, models=(*config.models[:-1], several(*servers)))
    states: list[str] = []

    def adopt() -> None:
        node.gateway.adopt(more)
        states.append(node.upstream().state)

    with streams(node, 1):
        node.loops[0].call_soon_threadsafe(adopt)
        soon(lambda: states == ["ready"])
        all_ready(node, soon)
        assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    assert asked(*servers) == [3, 2]


def test_a_slow_one_gets_less(front: Callable[..., Any], unruly: Callable[..., Any], soon: Any) -> None:
    """What waits there is outstanding, so that the next ones go elsewhere; what it never answers ejects it."""
    servers = [unruly(), unruly()]
    model = several(*servers, limits=Limits(deadline_s=0.5))
    node = all_ready(front(model, sharing=Sharing(eject_failures=1, eject_s=60.0)), soon)
    servers[0].change(deaf=True)
    answers: list[httpx.Response] = []
    asking = [threading.Thread(target=lambda: answers.append(node.ask("theirs"))) for _ in range(8)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    slow = [answer for answer in answers if answer.status_code != 200]
    assert 1 <= len(slow) <= 4
    assert {answer.json()["error"]["code"] for answer in slow} == {"upstream_slow"}
    assert metric(node, "replica_ejections_total", 1) >= 1
    assert node.ask("theirs").status_code == 200


def test_each_has_its_bound(front: Callable[..., Any], unruly: Callable[..., Any], soon: Any) -> None:
    """With `gateway.pending` in flight at each the next is refused at once, and told by which setting."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers), sharing=Sharing(pending=2)), soon)
    with streams(node, 4):
        refused = node.ask("theirs")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert "gateway.pending" in refused.json()["error"]["message"]
    soon(lambda: node.ask("theirs").status_code == 200)


def test_one_that_is_killed_within_an_answer_ends_it_with_an_error_frame(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """What has begun cannot be asked of another; the next request can."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers)), soon)
    endless = {"kind": "stream", "chunks": [FRAME % "x"], "then": "silence"}
    body = {"model": "theirs", "behave": endless}
    with node.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        frames = answer.iter_raw()
        assert next(frames) == b"data: x\n\n"
        servers[0].stop()
        told = b"".join(frames)
    assert json.loads(told.removeprefix(b"data: "))["error"]["code"] == "upstream_cut"
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))


def test_one_that_breaks_off_its_answers_is_cast_out(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """Each begins well; what counts is that none comes whole."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers), sharing=Sharing(eject_failures=2, eject_s=60.0)), soon)
    cut = {"kind": "stream", "chunks": [FRAME % "x"], "then": "cut"}
    assert all("upstream_cut" in node.ask("theirs", behave=cut).text for _ in range(4))
    assert [metric(node, "replica_ejected", number) for number in (1, 2)] == [1, 1]
    assert node.ask("theirs").status_code == 200


def test_without_retries_a_refused_connection_is_told(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """Whoever wants to decide that himself."""
    servers = [unruly(), unruly()]
    node = all_ready(front(several(*servers), sharing=Sharing(retries=0)), soon)
    servers[0].stop()
    codes = {node.ask("theirs").status_code for _ in range(2)}
    assert codes == {200, 503}


def test_one_that_has_another_model_is_not_asked(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any
) -> None:
    """It would refuse its share of the requests; its state says what it has."""
    servers = [unruly(models=[{"id": "theirs"}]), unruly(models=[{"id": "a"}, {"id": "b"}])]
    node = front(several(*servers, upstream_model="theirs"))
    node.wait("theirs")
    other = node.upstream().replicas[1]
    soon(lambda: other.error is not None)
    assert other.error.code == "replica_differs"
    assert "a, b" in other.error.cause
    assert all(node.ask("theirs").status_code == 200 for _ in range(4))
    assert asked(*servers) == [4, 0]
