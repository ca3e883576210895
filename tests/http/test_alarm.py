"""A time limit that is set anew with every request."""

import asyncio

import pytest

from freehold.http.alarm import Alarm


@pytest.mark.anyio
async def test_it_acts_once_when_its_time_has_come() -> None:
    """And then nothing is due."""
    rung = asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop())
    alarm.set(0.0, rung.set)
    assert alarm.waits_for(rung.set)
    await rung.wait()
    assert not alarm.waits_for(rung.set)


@pytest.mark.anyio
async def test_what_was_set_last_is_meant() -> None:
    """A later limit replaces an earlier one, and an earlier one a later."""
    first, second = asyncio.Event(), asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop())
    alarm.set(0.0, first.set)
    alarm.set(0.01, second.set)
    await second.wait()
    assert not first.is_set()
    alarm.set(3600.0, first.set)
    second.clear()
    alarm.set(0.0, second.set)
    await second.wait()
    assert not first.is_set()


@pytest.mark.anyio
async def test_what_was_cleared_or_closed_does_not_come() -> None:
    """Even when the loop's timer still fires."""
    wrong, later = asyncio.Event(), asyncio.Event()
    alarm = Alarm(asyncio.get_running_loop())
    alarm.set(0.0, wrong.set)
    alarm.clear()
    asyncio.get_running_loop().call_later(0.01, later.set)
    await later.wait()
    alarm.set(0.0, wrong.set)
    alarm.close()
    await asyncio.sleep(0.01)
    assert not wrong.is_set()
