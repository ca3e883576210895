"""gRPC's port of `freehold serve`: whether there is one, and the listener on it."""

import logging
import socket

from freehold.config import Config
from freehold.errors import FreeholdError
from freehold.http.listener import bind

DEFAULT_PORT = 8081

log = logging.getLogger(__name__)


def hold_grpc_port(config: Config, host: str, asked: int | None, http_port: int) -> socket.socket | None:
    """A socket on gRPC's port, None where there is to be none. `asked` goes before the configuration's.

    A port that nobody named is 8081, and is done without where somebody else has it; so it is where HTTP takes any free
    port (`http_port` 0). Raises what `bind` raises for a named one.
    """
    if not config.server.grpc and asked is None:
        return None
    named = config.server.grpc_port if asked is None else asked
    if named is not None:
        return bind(host, named)
    if http_port == 0:
        return None
    try:
        return bind(host, DEFAULT_PORT)
    except FreeholdError as error:
        log.warning("gRPC is not served: %s", error.cause, extra={"fix": "Name a port: --grpc-port"})
        return None
