"""A Dify beside models: in which order it starts, and without which secrets it does not."""

import json
from dataclasses import replace

import pytest

from freehold.deploy.compose.dify import SECRETS_FILE, volume_name
from freehold.deploy.compose.dify_target import VERSION_FILE, waves
from freehold.deploy.topology.service import Service
from freehold.errors import FreeholdError
from tests.deploy.compose.conftest import Yard
from tests.deploy.topology.configured import config


def test_services_start_in_waves() -> None:
    """Each wave has those whose needs are met by the waves before."""
    services = [
        Service("a", "i"),
        Service("b", "i", after=("a",)),
        Service("c", "i"),
        Service("d", "i", after=("b", "c")),
    ]
    assert [[one.name for one in wave] for wave in waves(services)] == [["a", "c"], ["b"], ["d"]]


def test_volumes_without_their_secrets_are_refused_and_nothing_is_written(yard: Yard) -> None:
    """Other secrets would open nothing that is in them; tests/e2e/test_deploy_dify.py has the way without faults."""
    volume = volume_name(yard.name, "db")
    yard.engine.docker("volume", "create", volume)
    wanted, dify = replace(yard.deployment(), config=config()), yard.target().dify
    try:
        for step in (lambda: dify.verify(wanted), lambda: dify.start(wanted, lambda _text: None)):
            with pytest.raises(FreeholdError) as caught:
                step()
            assert (caught.value.code, caught.value.details["volume"]) == ("dify_secrets_lost", f"the volume {volume}")
        assert not (yard.folder / "dify").exists()
    finally:
        yard.engine.docker("volume", "rm", volume)


def test_files_are_written_once_and_the_release_is_told(yard: Yard) -> None:
    """What does not change keeps its age, by which a container is known to have read it."""
    wanted, dify = replace(yard.deployment(), config=config()), yard.target().dify
    assert dify.version() is None
    dify.write(wanted)
    path = yard.folder / "config" / "nginx" / "etc" / "freehold" / "nginx.conf"
    before, secrets = path.stat().st_mtime_ns, json.loads((yard.folder / SECRETS_FILE).read_text())
    dify.write(wanted)
    assert path.stat().st_mtime_ns == before
    assert json.loads((yard.folder / SECRETS_FILE).read_text()) == secrets
    (yard.folder / VERSION_FILE).write_text("1.15.0")
    assert dify.version() == "1.15.0"
