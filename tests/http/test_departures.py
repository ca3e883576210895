"""Noticing that a client has left, and never mistaking another cancellation for that."""

import asyncio
from typing import Any

import pytest

from freehold.http.departures import Departures


class Connection:
    """What a server tells of one client."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.asked = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        self.asked.set()
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def wait_watched(departures: Departures, connection: Connection, what: asyncio.Event) -> str:
    task = departures.enter(connection.receive)
    try:
        await what.wait()
    except asyncio.CancelledError:
        if departures.was_departure(task):
            return "left"
        raise
    else:
        return "answered"
    finally:
        departures.leave(task)


@pytest.mark.anyio
async def test_a_wait_ends_when_the_client_leaves() -> None:
    """The task is cancelled, and is no longer being cancelled once it knows why."""
    departures, connection = Departures(), Connection()
    task = asyncio.create_task(wait_watched(departures, connection, asyncio.Event()))
    await connection.asked.wait()
    connection.gone.set()
    assert await task == "left"
    assert task.cancelling() == 0


@pytest.mark.anyio
async def test_a_client_that_left_before_it_was_looked_for_is_noticed() -> None:
    """The disconnect is not missed for coming early."""
    departures, connection = Departures(), Connection()
    connection.gone.set()
    assert await asyncio.create_task(wait_watched(departures, connection, asyncio.Event())) == "left"


@pytest.mark.anyio
async def test_a_wait_that_ends_in_time_asks_for_nothing() -> None:
    """The fast path makes no task: `receive` is never called."""
    departures, connection, done = Departures(), Connection(), asyncio.Event()
    done.set()
    assert await asyncio.create_task(wait_watched(departures, connection, done)) == "answered"
    assert not connection.asked.is_set()


@pytest.mark.anyio
async def test_a_wait_that_was_watched_and_answered_leaves_nothing_behind() -> None:
    """A disconnect after the answer cancels nobody."""
    departures, connection, done = Departures(), Connection(), asyncio.Event()
    before = asyncio.all_tasks()
    task = asyncio.create_task(wait_watched(departures, connection, done))
    await connection.asked.wait()
    done.set()
    assert await task == "answered"
    connection.gone.set()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.anyio
async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    """The server's own end is not a client's departure."""
    departures, connection = Departures(), Connection()
    task = asyncio.create_task(wait_watched(departures, connection, asyncio.Event()))
    await connection.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.anyio
async def test_many_waits_are_told_apart() -> None:
    """Only those whose clients left end early."""
    departures, done = Departures(), asyncio.Event()
    connections = [Connection() for _ in range(20)]
    tasks = [asyncio.create_task(wait_watched(departures, one, done)) for one in connections]
    for connection in connections:
        await connection.asked.wait()
    for connection in connections[::2]:
        connection.gone.set()
    left = await asyncio.gather(*tasks[::2])
    done.set()
    stayed = await asyncio.gather(*tasks[1::2])
    assert (set(left), set(stayed)) == ({"left"}, {"answered"})
