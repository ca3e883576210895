"""Copies for a second model: what is copied, what is compared, and that no client waits for any of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from freehold.config import Shadow
from freehold.errors import FreeholdError
from freehold.gateway.routing.table import slot
from freehold.gateway.shadows import shadow as module
from freehold.gateway.shadows.shadow import HEADER, LONGEST, MOST, Shadowing, Tap, is_chosen
from freehold.gateway.shadows.shadow_report import Report, load
from freehold.http import Call, MemoryBudget, Response, Stream
from freehold.http.call import BodyLimits
from freehold.http.departures import Departures
from freehold.telemetry import Telemetry

BODY = b'{"model": "chat"}'
THEIRS = Shadow("theirs")


def call(request_id: str = "r-1", method: str = "POST", **headers: str) -> Call:
    """A request whose body has been read, as a route's endpoint has it."""

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    scope = {"method": method, "path": "/v1/chat/completions", "query_string": b"a=b"}
    return Call(scope, receive, named, request_id, {}, BodyLimits(), MemoryBudget(1 << 20), Departures())


def said(text: str, status: int = 200) -> Response:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return Response(json.dumps({"choices": [choice]}).encode(), status)


def streaming(*frames: bytes, failure: Exception | None = None) -> Stream:
    async def made() -> AsyncGenerator[bytes, None]:
        for frame in frames:
            yield frame
        if failure is not None:
            raise failure

    return Stream(made())


async def giving(answer: Response | Stream) -> Response | Stream:
    return answer


async def failing() -> Response:
    raise FreeholdError("shutting_down")


class Theirs:
    """The second model: it answers, hangs or fails as it is told; `asked` are the calls that reached it."""

    def __init__(self, answer: Callable[[], Response | Stream] | Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Call]] = []
        self.left = 0

    async def __call__(self, model: str, call: Call) -> Response | Stream:
        self.asked.append((model, call))
        if self.answer is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer()


@asynccontextmanager
async def shadowing(ask: Theirs, folder: Path, **settings: Any) -> AsyncGenerator[Shadowing, None]:
    one = Shadowing(ask, folder, Telemetry(process=False), **settings)
    async with one.life():
        yield one
    assert one.memory.used == 0, "a shadow did not give its memory back"


async def settled() -> None:
    """Everything that can happen without waiting for anybody has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(found: Callable[[], object]) -> None:
    """Waits for what a timer or a thread does."""
    async with asyncio.timeout(20):
        while not found():  # noqa: ASYNC110 - files and numbers have no events
            await asyncio.sleep(0.001)


def tapped(one: Shadowing, request: Call, shadow: Shadow = THEIRS, body: bytes = BODY) -> Tap:
    tap = one.tap("chat", shadow, "mine", request, body)
    assert tap is not None
    return tap


def after(ask: Theirs, folder: Path, steps: Callable[[Shadowing], Awaitable[None]], **settings: Any) -> Report:
    """The report that is kept when a gateway that did `steps` has ended."""

    async def life() -> None:
        async with shadowing(ask, folder, **settings) as one:
            await steps(one)
            await settled()

    asyncio.run(life())
    return load(folder, "chat")


def test_a_copy_is_asked_after_the_client_has_its_answer(tmp_path: Path) -> None:
    """Under an id of its own and a header that says what it is, with the body as it came."""
    theirs = Theirs(lambda: said("so it is"))

    async def steps(one: Shadowing) -> None:
        answer = await tapped(one, call(content_encoding="gzip", x_own="1")).watch(giving(said("so it was")))
        assert answer == said("so it was")
        assert theirs.asked == []
        await settled()
        model, copy = theirs.asked[0]
        assert (model, copy.request_id, await copy.body()) == ("theirs", "r-1-shadow", BODY)
        assert dict(copy.headers) == {b"x-own": b"1", HEADER: b"chat"}
        assert (copy.method, copy.path, copy.query_string) == ("POST", "/v1/chat/completions", b"a=b")

    report = after(theirs, tmp_path, steps)
    assert (report.shadow, report.total.differs, report.total.count) == ("theirs", 1, 1)
    worst = report.worst[0]
    assert (worst.request_id, worst.model, worst.kind) == ("r-1", "mine", "text")
    assert worst.similarity == pytest.approx(2 / 3)


def test_a_stream_passes_as_it_is_and_is_compared_whole(tmp_path: Path) -> None:
    """Frame by frame to the client; put together beside the other."""
    frames = [b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n' % part for part in (b"a ", b"b")]
    whole = b'data: {"choices": [{"delta": {"content": "a b"}}]}\n\n'
    theirs = Theirs(lambda: streaming(whole, b"data: [DONE]\n\n"))

    async def steps(one: Shadowing) -> None:
        answer = await tapped(one, call()).watch(giving(streaming(*frames, b"data: [DONE]\n\n")))
        assert isinstance(answer, Stream)
        assert [frame async for frame in answer.frames] == [*frames, b"data: [DONE]\n\n"]

    report = after(theirs, tmp_path, steps)
    assert (report.total.equal, report.kinds["text"].count) == (1, 1)


def test_a_shadow_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """Every client is answered; what is held stays bounded, and the rest is counted as not copied."""
    theirs = Theirs()

    async def steps(one: Shadowing) -> None:
        for place in range(3 * MOST):
            tap = one.tap("chat", THEIRS, "mine", call(f"r-{place}"), BODY)
            answering = giving(said("now"))
            assert await (tap.watch(answering) if tap else answering) == said("now")
            await settled()
        assert len(theirs.asked) == MOST
        assert one.memory.used <= MOST * (len(BODY) + len(said("now").body))

    report = after(theirs, tmp_path, steps)
    assert (report.total.count, report.dropped, theirs.left) == (0, {"busy": 2 * MOST}, MOST)


def test_a_shadow_has_its_own_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails by it, and its place is free again."""
    monkeypatch.setattr(module, "LEAST_PATIENCE_S", 0.01)
    theirs = Theirs()

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a")))
        await until(lambda: theirs.left)

    assert after(theirs, tmp_path, steps).failed == {"timeout": 1}


@pytest.mark.parametrize(
    ("failure", "failed", "dropped"),
    [
        (FreeholdError("upstream_slow", model="theirs", seconds=1), {"upstream_slow": 1}, {}),
        (FreeholdError("request_exceeds_memory", needed_mb=2, limit_mb=1), {"request_exceeds_memory": 1}, {}),
        (
            FreeholdError("overloaded", model="t", reason="queue", seen="1", limit="1", setting="x", retry_after_s=1),
            {},
            {"busy": 1},
        ),
    ],
)
def test_a_shadow_that_does_not_answer_is_counted(
    tmp_path: Path, failure: FreeholdError, failed: dict[str, int], dropped: dict[str, int]
) -> None:
    """By its error; one that its own door refused was not asked."""

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a")))

    report = after(Theirs(failure), tmp_path, steps)
    assert (report.failed, report.dropped, report.total.count) == (failed, dropped, 0)


def test_a_shadow_that_breaks_off_is_counted(tmp_path: Path) -> None:
    """Half an answer is none."""
    cut = FreeholdError("upstream_cut", model="theirs", reason="it ended")

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a")))

    assert after(Theirs(lambda: streaming(b"data: {}\n\n", failure=cut)), tmp_path, steps).failed == {"upstream_cut": 1}


def test_a_defect_is_logged_and_ends_one_copy_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its memory and its place come back."""

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a")))
        await settled()
        assert one.memory.used == 0

    assert after(Theirs(RuntimeError("defect")), tmp_path, steps).failed == {"internal": 1}
    assert "shadow_broke" in caplog.text


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_client_without_an_answer_leaves_nothing_to_compare(tmp_path: Path, status: int) -> None:
    """Nor does one whose answer failed, broke off, or was left."""
    theirs = Theirs(lambda: said("a"))

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a", status)))
        with pytest.raises(FreeholdError):
            await tapped(one, call()).watch(failing())
        cut = await tapped(one, call()).watch(giving(streaming(b"a", failure=OSError("gone"))))
        assert isinstance(cut, Stream)
        with pytest.raises(OSError, match="gone"):
            [frame async for frame in cut.frames]
        left = await tapped(one, call()).watch(giving(streaming(b"a", b"b")))
        assert isinstance(left, Stream)
        async with aclosing(left.frames) as frames:
            assert await anext(frames) == b"a"
        unread = await tapped(one, call()).watch(giving(streaming(b"a")))
        assert isinstance(unread, Stream)
        await unread.frames.aclose()

    report = after(theirs, tmp_path, steps)
    assert (report.dropped, theirs.asked) == ({"unanswered": 5}, [])


def test_answers_that_are_too_large_are_not_kept(tmp_path: Path) -> None:
    """Neither the client's, which reaches it all the same, nor the shadow's."""
    large = b"x" * (LONGEST // 2 + 1)

    async def steps(one: Shadowing) -> None:
        answer = await tapped(one, call()).watch(giving(streaming(large, large, b"end")))
        assert isinstance(answer, Stream)
        assert sum([len(frame) async for frame in answer.frames]) == 2 * len(large) + 3
        assert one.memory.used == 0
        await tapped(one, call()).watch(giving(said("a")))

    assert after(Theirs(lambda: streaming(large, large, large)), tmp_path, steps).dropped == {"too_large": 2}


def test_what_there_is_no_memory_for_is_not_copied(tmp_path: Path) -> None:
    """Not a body, not the client's answer, and not the shadow's."""

    async def steps(one: Shadowing) -> None:
        assert one.tap("chat", THEIRS, "mine", call(), b"x" * 1001) is None
        for size in (950, 450, 300):
            answer = await tapped(one, call(), body=b"x" * 100).watch(giving(Response(b"x" * size)))
            assert answer == Response(b"x" * size)
            await settled()

    theirs = Theirs(lambda: Response(b"x" * 500))
    report = after(theirs, tmp_path, steps, held_bytes=1000)
    assert (report.dropped, report.total.count) == ({"memory": 3}, 1)


def test_only_what_is_chosen_is_copied(tmp_path: Path) -> None:
    """Not what another gateway has copied already, what the shadow itself has answered, or a question about a model."""

    async def steps(one: Shadowing) -> None:
        assert one.tap("chat", Shadow("theirs", percent=0), "mine", call(), BODY) is None
        assert one.tap("chat", THEIRS, "theirs", call(), BODY) is None
        assert one.tap("chat", THEIRS, "mine", call(method="GET"), b"") is None
        assert one.tap("chat", THEIRS, "mine", call(x_freehold_shadow="other"), BODY) is None
        await tapped(one, call()).watch(giving(said("a")))

    assert after(Theirs(lambda: said("a")), tmp_path, steps).total.count == 1


def test_the_choice_is_a_share_of_its_own() -> None:
    """Of a canary's requests as many are shadowed as of the others'."""
    ids = [f"{place:x}" for place in range(4000)]
    chosen = [one for one in ids if is_chosen(one, 30)]
    canary = [one for one in ids if slot(one.encode()) < 20]
    both = set(chosen) & set(canary)
    assert 0.27 < len(chosen) / len(ids) < 0.33
    assert 0.25 < len(both) / len(canary) < 0.35
    assert all(is_chosen(one, 100) and not is_chosen(one, 0) for one in ids)


def test_long_answers_are_compared_beside_the_loop(tmp_path: Path) -> None:
    """And are found to differ as short ones are."""
    rows = [[0.5] * 2000 for _ in range(3)]

    def vectors(shift: float) -> Response:
        rows[1][7] = 0.5 + shift
        return Response(json.dumps({"data": [{"index": n, "embedding": row} for n, row in enumerate(rows)]}).encode())

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(vectors(0.25)))
        await until(lambda: not one.memory.used)

    report = after(Theirs(lambda: vectors(0.0)), tmp_path, steps)
    assert [(pair.kind, pair.reason, pair.max_abs) for pair in report.worst] == [("vectors", "numbers", 0.25)]


def test_what_happened_is_exported(tmp_path: Path) -> None:
    """Compared, differed, failed and dropped, by route."""

    async def life() -> str:
        theirs = Theirs(lambda: said("no"))
        async with shadowing(theirs, tmp_path) as one:
            await tapped(one, call()).watch(giving(said("yes")))
            await settled()
            theirs.answer = FreeholdError("upstream_slow", model="theirs", seconds=1)
            await tapped(one, call()).watch(giving(said("yes")))
            await tapped(one, call()).watch(giving(said("busy", 429)))
            await settled()
            return one._telemetry.exposition()[0].decode()

    exported = asyncio.run(life())
    for line in (
        'freehold_shadowed_total{route="chat"} 1.0',
        'freehold_shadow_differed_total{kind="text",route="chat"} 1.0',
        'freehold_shadow_failed_total{code="upstream_slow",route="chat"} 1.0',
        'freehold_shadow_dropped_total{reason="unanswered",route="chat"} 1.0',
    ):
        assert line in exported


def test_reports_are_kept_while_a_gateway_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only at its end, which may come without a word."""
    monkeypatch.setattr(module, "KEEP_S", 0.001)

    async def steps(one: Shadowing) -> None:
        await tapped(one, call()).watch(giving(said("a")))
        await until((tmp_path / "chat.json").exists)

    assert after(Theirs(lambda: said("a")), tmp_path, steps).total.equal == 1
