"""System shared memory of the Open Inference Protocol: bodies of its calls, and what a tensor says of its region.

Source: the extension's page in Triton's documents.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Protocol

import msgspec

from freehold.errors import FreeholdError
from freehold.protocol.wire import brief

REGION, BYTE_SIZE, OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"

Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class RegionBody(msgspec.Struct):
    """What registers a region: `byte_size` bytes from `offset` of the shared memory object `key`."""

    key: str
    byte_size: Bytes
    offset: Bytes = 0


class RegionStatus(msgspec.Struct, frozen=True):
    """One region that is registered."""

    name: str
    key: str
    offset: int
    byte_size: int


class Regions(Protocol):
    """The regions that one request uses. All raise FreeholdError for a region that is not there or too small."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A copy of `size` bytes from `offset` of the region."""

    def reserve(self, name: str, offset: int, size: int) -> None:
        """See to it that an answer of `size` bytes can be written there."""

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Write an output there."""


class NoRegions:
    """Of a server that has none. Raises `parameter_unsupported` for each use."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Refused."""
        raise FreeholdError("parameter_unsupported", parameter=REGION)

    def reserve(self, name: str, offset: int, size: int) -> None:
        """Refused."""
        raise FreeholdError("parameter_unsupported", parameter=REGION)

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Refused."""
        raise FreeholdError("parameter_unsupported", parameter=REGION)


class Part(NamedTuple):
    """Where a tensor lies: `byte_size` bytes from `offset` of a region; of an output, the room that there is."""

    region: str
    offset: int
    byte_size: int


def part_of(parameters: Mapping[str, object]) -> Part | None:
    """What the parameters of an input or output say of shared memory; None when nothing.

    Raises `parameter_invalid` for a region without its size or the other way round, and for what is no byte count.
    """
    region, size, offset = parameters.get(REGION), parameters.get(BYTE_SIZE), parameters.get(OFFSET, 0)
    if region is None and size is None and OFFSET not in parameters:
        return None
    if not isinstance(region, str) or not region:
        raise _wrong(REGION, region, f"the name of a region, beside {BYTE_SIZE}")
    for parameter, count in ((BYTE_SIZE, size), (OFFSET, offset)):
        if type(count) is not int or count < 0:
            raise _wrong(parameter, count, "a byte count")
    return Part(region, offset, size)  # type: ignore[arg-type] # the loop above looked at both


def answer(regions: Regions, name: str, part: Part, data: memoryview) -> dict[str, str | int]:
    """Write an output where its part is; what the answer says of it in its parameters.

    Raises `shared_memory_room_short` where the part is too small, and what `Regions.write` does.
    """
    if data.nbytes > part.byte_size:
        raise FreeholdError(
            "shared_memory_room_short", name=name, region=part.region, seen=data.nbytes, room=part.byte_size
        )
    regions.write(part.region, part.offset, data)
    return {REGION: part.region, OFFSET: part.offset, BYTE_SIZE: data.nbytes}


def _wrong(parameter: str, value: object, expected: str) -> FreeholdError:
    return FreeholdError("parameter_invalid", parameter=parameter, value=brief(value), expected=expected)
