"""How this machine reaches others, from the configuration here."""

from pathlib import Path

import pytest

from freehold.cli.network import network_here
from freehold.config import Network
from freehold.errors import FreeholdError


def test_the_configuration_of_the_folder_says(tmp_path: Path) -> None:
    """Its `network`, with the path of the authorities made absolute."""
    (tmp_path / "freehold.yaml").write_text("models: []\nnetwork: {ca: corp.pem, proxy: 'http://proxy:3128'}\n")
    assert network_here({}, tmp_path) == Network(ca=str(tmp_path / "corp.pem"), proxy="http://proxy:3128")


def test_without_a_configuration_nothing_is_set(tmp_path: Path) -> None:
    """The environment then says it all."""
    assert network_here({}, tmp_path) == Network()


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    """Rather than passed over: it may be what names the proxy."""
    (tmp_path / "freehold.yaml").write_text("models: []\nnetwork: {proksy: x}\n")
    with pytest.raises(FreeholdError) as failure:
        network_here({}, tmp_path)
    assert failure.value.code == "config_key_misspelled"
