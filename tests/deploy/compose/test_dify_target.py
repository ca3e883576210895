"""A Dify beside models: in which order it starts, and without which secrets it does not."""

import json
import shutil
import socket
from dataclasses import replace

import pytest

from freehold.deploy.compose.dify import SECRETS_FILE, volume_name
from freehold.deploy.compose.dify_target import VERSION_FILE, ComposeDify, needed_by, waves
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Service
from freehold.errors import FreeholdError
from tests.deploy.compose.conftest import Yard
from tests.deploy.topology.configured import config


def test_services_start_in_waves() -> None:
    """Each wave has those whose needs are met by the waves before; what one needs is what those need, too."""
    services = [
        Service("a", "i"),
        Service("b", "i", after=("a",)),
        Service("c", "i"),
        Service("d", "i", after=("b", "c")),
    ]
    assert [[one.name for one in wave] for wave in waves(services)] == [["a", "c"], ["b"], ["d"]]
    assert [one.name for one in needed_by("d", services)] == ["a", "b", "c"]
    assert needed_by("c", services) == []


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


def test_volumes_that_are_gone_and_a_port_that_is_taken_are_told_first(yard: Yard) -> None:
    """Nobody is asked to begin with an empty Dify unasked; nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = replace(yard.deployment(), config=config(port=other.getsockname()[1]))
        dify = yard.target().dify
        assert refusal(dify, wanted).code == "compose_port_taken"
        (yard.folder / "dify").mkdir()
        (yard.folder / SECRETS_FILE).write_text("{}")
        (yard.folder / VERSION_FILE).write_text("1.15.0")
        error = refusal(dify, wanted)
        shutil.rmtree(yard.folder / "dify")
        assert (error.code, error.details["path"]) == ("dify_data_lost", yard.folder / VERSION_FILE)


def test_a_log_of_nobody_names_those_who_have_one(yard: Yard) -> None:
    """Every service is called as Dify calls it."""
    dify = yard.target().dify
    with pytest.raises(FreeholdError) as caught:
        dify.logs("api")
    assert caught.value.code == "compose_service_unknown"
    assert dify.hosts(replace(yard.deployment(), config=config()))["api"] == "api"


def refusal(dify: ComposeDify, wanted: Deployment) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        dify.verify(wanted)
    return caught.value


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
