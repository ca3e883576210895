"""Transfers end at once."""

import threading
from collections.abc import Iterator

import httpx2
import pytest

from freehold.adapt.fetch.halt import Halt
from freehold.config import Network
from freehold.store.http_client import open_client
from tests.forward_proxy import Authority, authority
from tests.model_hub import Fault, ModelHub, serving


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that vouches for this machine."""
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["plain", "tls"])
def silent(request: pytest.FixtureRequest, corp: Authority) -> Iterator[ModelHub]:
    """A hub that sends ten bytes of a file and then nothing."""
    with serving(ModelHub(), corp.server if request.param == "tls" else None) as hub:
        hub.add("org/m", {"config.json": b"x" * 100})
        hub.faults["config.json"] = [Fault(after=10, silent=True)]
        yield hub


def test_who_waits_for_bytes_is_woken(silent: ModelHub, corp: Authority) -> None:
    """Long before the patience of the client ends, with and without TLS."""
    halt, begun = Halt(), threading.Event()
    failures: list[httpx2.RequestError] = []

    def read() -> None:
        url = f"{silent.url}/org/m/resolve/main/config.json"
        with (
            open_client(Network(ca=str(corp.ca)), {}, silence_s=600.0) as client,
            client.stream("GET", url) as answer,
            halt.reading(answer),
        ):
            try:
                for _ in answer.iter_bytes():
                    begun.set()
            except httpx2.RequestError as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    assert not halt.wait(0.05)
    halt.set()
    reader.join(60)
    assert not reader.is_alive()
    assert len(failures) == 1
    assert halt.is_set()


def test_who_comes_later_is_cut_at_once(silent: ModelHub, corp: Authority) -> None:
    """The end holds for answers that begin after it."""
    halt = Halt()
    halt.set()
    assert halt.wait(600.0)
    url = f"{silent.url}/org/m/resolve/main/config.json"
    with (
        open_client(Network(ca=str(corp.ca)), {}, silence_s=600.0) as client,
        client.stream("GET", url) as answer,
        halt.reading(answer),
        pytest.raises(httpx2.RequestError),
    ):
        answer.read()
