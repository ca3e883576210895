"""Requests that are tried again, and those that are not."""

from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from freehold.adapt.fetch.transport import Patience, Transport
from freehold.errors import FreeholdError
from tests.model_hub import Fault, ModelHub

LIST = "/api/models/org/m?blobs=true"


def test_an_answer_comes_whole(hub: ModelHub, transport: Transport) -> None:
    """Whatever its status."""
    response = transport.read(hub.url + LIST, {}, most=1 << 20)
    assert (response.status_code, response.json()["id"]) == (200, "org/m")
    assert transport.read(hub.url + "/nothing", {}, most=10).status_code == 404


def test_a_hub_that_is_busy_is_asked_again_when_it_says(hub: ModelHub, transport: Transport) -> None:
    """After the seconds that it asks for, or after doubling ones."""
    slept: list[float] = []
    patient = Transport(transport.client, Patience(tries=3, first_pause_s=1.0), slept.append)
    hub.faults["list"] = [Fault(status=429, headers={"Retry-After": "7"}), Fault(status=503)]
    assert patient.read(hub.url + LIST, {}, most=1 << 20).status_code == 200
    assert slept == [7.0, 2.0]


def test_patience_ends(hub: ModelHub, transport: Transport) -> None:
    """The last answer is given back, for whoever knows what it means."""
    hub.faults["list"] = [Fault(status=503)] * 9
    assert transport.read(hub.url + LIST, {}, most=1 << 20).status_code == 503
    assert len(hub.faults["list"]) == 6


def test_nobody_there(transport: Transport) -> None:
    """Tried again too, then raised."""
    slept: list[float] = []
    with pytest.raises(httpx2.ConnectError):
        replace(transport, sleep=slept.append).read("http://127.0.0.1:9/", {}, most=10)
    assert len(slept) == 2


def test_an_endless_answer_is_cut(hub: ModelHub, transport: Transport, tmp_path: Path) -> None:
    """A page of gigabytes is not read to its end."""
    with pytest.raises(FreeholdError) as failure:
        transport.read(hub.url + LIST, {}, most=100)
    assert failure.value.code == "hub_answer_invalid"


def test_pauses_double_and_end() -> None:
    """And never exceed the longest, whatever a server asks for."""
    patience = Patience(first_pause_s=0.5, longest_pause_s=4.0)
    assert [patience.pause_s(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert patience.pause_s(1, 3.0) == 3.0
    assert patience.pause_s(1, 3600.0) == 4.0
