"""How this machine reaches others, as the configuration of this folder says."""

from collections.abc import Mapping
from pathlib import Path

from freehold.config import Network, load
from freehold.errors import FreeholdError


def network_here(environ: Mapping[str, str], cwd: Path) -> Network:
    """The `network` of the configuration in `cwd`; without a configuration nothing is set.

    Raises what `config.load` raises for one that is wrong.
    """
    try:
        return load(None, environ, cwd).network
    except FreeholdError as error:
        if error.code == "config_no_model":
            return Network()
        raise
