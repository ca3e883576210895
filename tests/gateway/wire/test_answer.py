"""An answer that is fed by hand."""

import asyncio

import pytest

from freehold.gateway.wire.answer import HELD_BYTES, Answer, CutError

pytestmark = pytest.mark.anyio


class Noting:
    """A source that only notes what is asked of it."""

    def __init__(self) -> None:
        self.resumed = self.dropped = 0

    def resume(self, answer: Answer) -> None:
        self.resumed += 1

    def drop(self, answer: Answer) -> None:
        self.dropped += 1


async def test_pieces_are_given_as_they_come() -> None:
    """Joined where several came meanwhile; b"" at the end, as often as it is asked for."""
    answer = Answer(Noting(), headless=False)
    reading = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    answer.begin(200, [(b"content-type", b"a/b"), (b"x", b"1"), (b"x", b"2")])
    answer.feed(b"a")
    assert await reading == b"a"
    answer.feed(b"b")
    answer.feed(b"c")
    assert await answer.read() == b"bc"
    answer.end()
    assert [await answer.read(), await answer.read()] == [b"", b""]
    assert (answer.header(b"x"), answer.header(b"y")) == (b"1", None)


async def test_what_came_before_a_failure_is_given_first() -> None:
    """Then the failure is raised, however often one asks."""
    answer = Answer(Noting(), headless=False)
    answer.begin(200, [])
    answer.feed(b"a")
    answer.fail(CutError())
    assert await answer.read() == b"a"
    with pytest.raises(CutError):
        await answer.read()
    with pytest.raises(CutError):
        await answer.ended()


async def test_its_source_is_asked_for_more_only_when_it_had_to_wait() -> None:
    """And told when nobody wants the rest."""
    source = Noting()
    answer = Answer(source, headless=False)
    answer.begin(200, [])
    assert not answer.feed(bytes(HELD_BYTES))
    answer.taken()
    assert source.resumed == 0
    assert answer.feed(bytes(HELD_BYTES + 1))
    assert (len(answer.taken()), source.resumed, answer.held) == (HELD_BYTES + 1, 1, 0)
    answer.close()
    assert source.dropped == 1
