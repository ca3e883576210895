"""gRPC's port, where somebody else takes it after all."""

import asyncio

import pytest

from freehold.errors import FreeholdError
from freehold.http import MemoryBudget, bind
from freehold.server.dataplane import DataPlane
from freehold.server.grpc.listener import GrpcListener
from freehold.server.models import Models
from freehold.telemetry import Telemetry


def test_a_port_that_is_lost_meanwhile_is_told() -> None:
    """Somebody else took it between the start and the first answer."""
    held = bind("127.0.0.1", 0)
    telemetry, memory = Telemetry(process=False), MemoryBudget(1 << 20)
    listener = GrpcListener(held, entrance=None, telemetry=telemetry, memory=memory, grace_s=0.1, body_size=1)

    async def open_it() -> None:
        held.close()
        with bind(*listener.address):
            async with listener.life(DataPlane(Models([]), telemetry)):
                pass

    with pytest.raises(FreeholdError, match="address_unavailable"):
        asyncio.run(open_it())
