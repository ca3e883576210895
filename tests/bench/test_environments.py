"""Every peer is locked: exact versions with hashes, no place to fetch them from."""

import re

import pytest

from bench import environments, fronts
from bench.generation import PEERS
from bench.machine import PACKAGES
from bench.servers import OURS, SERVERS


@pytest.mark.parametrize("name", environments.names())
def test_a_lock_file_pins_versions_with_hashes_and_names_no_index(name: str) -> None:
    """So that mirrors and proxies work, and nothing else is installed."""
    text = environments.lock_of(name).read_text()
    pins = re.findall(r"^[A-Za-z0-9][^=\n]*==\S+", text, re.M)
    assert pins
    assert len(re.findall(r"^[A-Za-z0-9].* \\\n +--hash=sha256:", text, re.M)) == len(pins)
    assert not re.search(r"index-url|find-links|https?://|torch==", text)


def test_every_server_has_a_lock_file_and_shows_its_version() -> None:
    """A peer without either could not be measured again."""
    used = {server.environment for server in SERVERS} - {OURS} | {peer.environment for peer in PEERS}
    used.add(fronts.ENVIRONMENT)
    assert used == set(environments.names()) == set(PACKAGES)
    for name, packages in PACKAGES.items():
        assert set(packages) <= set(environments.versions(name))
