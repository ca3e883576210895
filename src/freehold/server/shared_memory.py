"""Shared memory of clients on this machine: the regions that they register, and the tensors that lie in them.

Off unless `server.shared_memory` names prefixes. A region is read and written by system calls on its descriptor and is
never mapped: its owner can cut the object (`ftruncate`) at any moment, and the next touch of a mapping would then end
this process with SIGBUS, where `pread` just returns less. The copy also keeps a tensor from changing after it was
checked. An image of 600 kB is read in 31 us so, and in 7 us out of a mapping; over a socket it takes hundreds.

Source: Triton's extension page on shared memory and its `src/shared_memory_manager.cc`.
"""

import logging
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route
from freehold.http.visit import Visit
from freehold.protocol import wire
from freehold.protocol.oip_regions import RegionBody, RegionStatus

log = logging.getLogger(__name__)

PLAIN = b"text/plain; charset=utf-8"
_BODY = msgspec.json.Decoder(RegionBody)

FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory; nothing is created here
RESERVED = "freehold"
"""What our own objects there would begin with: no client may name one."""
MOST_REGIONS = 512
"""Each region holds a file descriptor of this process."""
_NAME_MAX = 255


@dataclass
class _Region:
    status: RegionStatus
    descriptor: int
    tenant: str
    uses: int = 0
    leaving: bool = False


class SharedMemory:
    """The regions that are registered, those of each tenant for itself; "" are those that run the installation.

    Another tenant's objects have its name and a colon behind the prefix: else its admin could register what belongs to
    a program of the next tenant, and read it. No tenant has a colon in its name. All calls come from the event loop:
    there is no lock.
    """

    def __init__(self, prefixes: Sequence[str] = (), most_bytes: int = 64 << 20, folder: Path = FOLDER) -> None:
        """`prefixes`: what names of objects in `folder` must begin with; () turns all off. `most_bytes`: what a request
        may read, as much as a body may have: all others wait while it is copied."""
        self._prefixes = tuple(prefix.removeprefix("/") for prefix in prefixes)
        self.most_bytes = most_bytes
        self._folder = folder
        self._regions: dict[tuple[str, str], _Region] = {}  # by tenant and name

    @property
    def is_on(self) -> bool:
        """Whether clients may use any."""
        return bool(self._prefixes)

    def register(self, name: str, key: str, offset: int, byte_size: int, tenant: str = "") -> None:
        """Make `byte_size` bytes from `offset` of the object `key` known as `name`, readable and writable.

        Raises FreeholdError `shared_memory_off`, `shared_memory_key_refused`, `shared_memory_exists`,
        `shared_memory_crowded`, `shared_memory_unopened` and `shared_memory_size_wrong`.
        """
        self._require_on()
        file_name = self._allowed(name, key, tenant)
        if (tenant, name) in self._regions:
            raise FreeholdError("shared_memory_exists", name=name)
        if len(self._regions) >= MOST_REGIONS:
            raise FreeholdError("shared_memory_crowded", most=MOST_REGIONS)
        descriptor = self._open(file_name, key)
        size = os.fstat(descriptor).st_size
        if byte_size < 1 or offset < 0 or offset + byte_size > size:
            os.close(descriptor)
            raise FreeholdError(
                "shared_memory_size_wrong", name=name, key=key, offset=offset, byte_size=byte_size, size=size
            )
        self._regions[tenant, name] = _Region(RegionStatus(name, key, offset, byte_size), descriptor, tenant)
        log.info("shared_memory_registered", extra={"region": name, "key": key, "bytes": byte_size})

    def status(self, name: str = "", tenant: str = "") -> list[RegionStatus]:
        """The region of that name; "" stands for all. Raises `shared_memory_off` and `shared_memory_unknown`."""
        self._require_on()
        if not name:
            return [region.status for region in self._regions.values() if region.tenant == tenant]
        if (tenant, name) not in self._regions:
            raise FreeholdError("shared_memory_unknown", name=name)
        return [self._regions[tenant, name].status]

    def unregister(self, name: str = "", tenant: str = "") -> None:
        """Forget a region, "" all of them; one that is not there is no error.

        A region that requests are using takes no new ones and is forgotten when the last of them has ended; until then
        `status` lists it and its name is taken. Raises `shared_memory_off`.
        """
        self._require_on()
        for region in list(self._regions.values()):
            if region.tenant == tenant and name in ("", region.status.name):
                region.leaving = True
                self._forget_if_over(region)

    def lease(self, hold: Callable[[int], None], tenant: str = "") -> "Lease":
        """What one request uses of the regions; `hold` is told how many bytes it reads, before it does."""
        return Lease(self, hold, tenant)

    def acquire(self, name: str, tenant: str) -> _Region:
        """A use of the region, for `Lease`. Raises `shared_memory_off` and `shared_memory_unknown`."""
        self._require_on()
        region = self._regions.get((tenant, name))
        if region is None or region.leaving:
            raise FreeholdError("shared_memory_unknown", name=name)
        region.uses += 1
        return region

    def release(self, region: _Region) -> None:
        """End a use."""
        region.uses -= 1
        self._forget_if_over(region)

    def _forget_if_over(self, region: _Region) -> None:
        if region.leaving and not region.uses:
            del self._regions[region.tenant, region.status.name]
            os.close(region.descriptor)
            log.info("shared_memory_unregistered", extra={"region": region.status.name})

    def _require_on(self) -> None:
        if not self.is_on:
            raise FreeholdError("shared_memory_off")

    def _allowed(self, name: str, key: str, tenant: str) -> str:
        """The name of the file in the folder that `key` means; POSIX writes it with a slash in front."""
        file_name = key.removeprefix("/")
        prefixes = tuple(f"{prefix}{tenant}:" for prefix in self._prefixes) if tenant else self._prefixes
        plain = "/" not in file_name and "\0" not in file_name and file_name not in (".", "..")
        allowed = file_name.startswith(prefixes) and not file_name.startswith(RESERVED)
        if not (plain and allowed and len(os.fsencode(file_name)) <= _NAME_MAX):
            raise FreeholdError("shared_memory_key_refused", name=name, key=key[:_NAME_MAX], prefixes=prefixes)
        return file_name

    def _open(self, file_name: str, key: str) -> int:
        """No link is followed, and no pipe is waited for: neither is shared memory."""
        try:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._folder / file_name, flags)
        except OSError as error:
            raise FreeholdError("shared_memory_unopened", key=key, reason=error.strerror) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FreeholdError("shared_memory_unopened", key=key, reason="it is no shared memory object")
        return descriptor


class Lease:
    """The regions that one request uses, held until it has ended: `with shared.lease(call.hold) as regions`."""

    __slots__ = ("_held", "_hold", "_left", "_shared", "_tenant")

    def __init__(self, shared: SharedMemory, hold: Callable[[int], None], tenant: str) -> None:
        self._shared = shared
        self._hold = hold
        self._tenant = tenant
        self._held: dict[str, _Region] = {}
        self._left = shared.most_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for region in self._held.values():
            self._shared.release(region)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A copy of `size` bytes from `offset` of the region.

        Raises `shared_memory_off`, `shared_memory_unknown`, `shared_memory_beyond`, `shared_memory_shrank`,
        `body_too_large` where the request's tensors have more bytes than a body may, and what `hold` raises.
        """
        region = self._part(name, offset, size)
        self._left -= size
        if self._left < 0:
            most = self._shared.most_bytes
            raise FreeholdError(
                "body_too_large", limit_mb=most / (1 << 20), seen=f"{most - self._left} bytes in shared memory"
            )
        self._hold(size)
        try:
            data = os.pread(region.descriptor, size, region.status.offset + offset)
        except OSError as error:
            raise FreeholdError("shared_memory_failed", name=name, reason=error.strerror) from error
        if len(data) != size:
            raise FreeholdError("shared_memory_shrank", name=name, offset=offset, byte_size=size, seen=len(data))
        return data

    def reserve(self, name: str, offset: int, size: int) -> None:
        """See to it that an answer can be written there, before a model runs for it. Raises what `read` does."""
        self._whole(self._part(name, offset, size), offset, size)

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Write an output there. Raises what `read` does, and `shared_memory_failed` where the memory is full."""
        region = self._part(name, offset, data.nbytes)
        self._whole(region, offset, data.nbytes)  # writing behind the end would make the client's object grow
        place, left = region.status.offset + offset, data.cast("B") if data.nbytes else memoryview(b"")
        try:
            while left:
                written = os.pwrite(region.descriptor, left, place)
                place, left = place + written, left[written:]
        except OSError as error:
            raise FreeholdError("shared_memory_failed", name=name, reason=error.strerror) from error

    def _part(self, name: str, offset: int, size: int) -> _Region:
        region = self._held.get(name)
        if region is None:
            region = self._held[name] = self._shared.acquire(name, self._tenant)
        if offset < 0 or size < 0 or offset + size > region.status.byte_size:
            raise FreeholdError(
                "shared_memory_beyond", name=name, offset=offset, byte_size=size, size=region.status.byte_size
            )
        return region

    def _whole(self, region: _Region, offset: int, size: int) -> None:
        there = os.fstat(region.descriptor).st_size - region.status.offset - offset
        if there < size:
            name = region.status.name
            raise FreeholdError("shared_memory_shrank", name=name, offset=offset, byte_size=size, seen=max(there, 0))


def tenant_of(visit: Visit | None) -> str:
    """Whose regions a call means."""
    return "" if visit is None else visit.tenant


async def registered(shared: SharedMemory, visit: Visit | None, region: RegionStatus) -> None:
    """`SharedMemory.register` for a caller: an act of administration, which stands in the audit."""
    async with _doing(visit, "memory.register", region=region.name, key=region.key):
        shared.register(region.name, region.key, region.offset, region.byte_size, tenant_of(visit))


async def unregistered(shared: SharedMemory, visit: Visit | None, name: str) -> None:
    """`SharedMemory.unregister` for a caller, which stands there, too."""
    async with _doing(visit, "memory.unregister", region=name):
        shared.unregister(name, tenant_of(visit))


def _doing(visit: Visit | None, what: str, **details: str) -> AbstractAsyncContextManager[None]:
    return nullcontext() if visit is None else visit.doing(what, **details)


def routes(shared: SharedMemory) -> list[Route]:
    """Status, register and unregister of system shared memory; of CUDA's, that it is not offered."""

    async def status(call: Call) -> Response:
        return Response(wire.encode(shared.status(call.params.get("region", ""), tenant_of(call.visit))))

    async def register(call: Call) -> Response:
        body = wire.decode(_BODY, await call.body())
        await registered(shared, call.visit, RegionStatus(call.params["region"], body.key, body.offset, body.byte_size))
        return Response(b"", content_type=PLAIN)

    async def unregister(call: Call) -> Response:
        await unregistered(shared, call.visit, call.params.get("region", ""))
        return Response(b"", content_type=PLAIN)

    async def cuda(call: Call) -> Response:
        raise FreeholdError("cuda_shared_memory_off")

    one = "/region/{region}"
    paths: list[tuple[str, str, Any]] = [
        ("GET", "/status", status),
        ("GET", f"{one}/status", status),
        ("POST", f"{one}/register", register),
        ("POST", "/unregister", unregister),
        ("POST", f"{one}/unregister", unregister),
    ]
    return [
        *(Route(method, f"/v2/systemsharedmemory{path}", endpoint, "oip", "admin") for method, path, endpoint in paths),
        *(Route(method, f"/v2/cudasharedmemory{path}", cuda, "oip", "admin") for method, path, _ in paths),
    ]
