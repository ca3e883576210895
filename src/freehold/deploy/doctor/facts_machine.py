"""Facts of the machine itself: processor, memory, disk, operating system, limits, clock."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import resource
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from freehold.deploy.doctor.reading import Reader, UnreadableError, output_of, read_text
from freehold.machine.cpu import read_cpu
from freehold.machine.memory import MEMINFO, parse_meminfo, read_memory

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
CGROUPS = Path("/sys/fs/cgroup")
SHM = Path("/dev/shm")  # noqa: S108 - its size is looked at, nothing is written there

BLOCK = b"\xa5" * (4 << 20)
MOST_BYTES = 64 << 20
WRITING_S, READING_S = 0.6, 0.4
MB = 1e6

TIMEX_BYTES, TIMEX_STATUS_AT = 256, 40  # struct timex of linux/timex.h on 64 bits: `status` after five longs
STA_UNSYNC = 0x40


def cpu() -> dict[str, Any]:
    """`{architecture, model, flags, logical, physical, quota}`: of what this process may use; quota in CPUs."""
    found = read_cpu()
    return {
        "architecture": found.architecture,
        "model": found.model,
        "flags": sorted(found.flags),
        "logical": found.logical,
        "physical": found.physical,
        "quota": found.quota,
    }


def memory() -> dict[str, int]:
    """`{total, available, machine}` in bytes: within this container's limit, and what the machine has."""
    found = read_memory()
    return {
        "total": found.total,
        "available": found.available,
        "machine": parse_meminfo(MEMINFO.read_text(encoding="utf-8")).total,
    }


def disk(folder: Path) -> dict[str, Any]:
    """`{folder, free, total, writable}`, in bytes, of where `folder` is or would be made."""
    there = _existing(folder)
    usage = shutil.disk_usage(there)
    writable = os.access(there, os.W_OK | os.X_OK)
    return {"folder": str(folder), "free": usage.free, "total": usage.total, "writable": writable}


def disk_speed(folder: Path) -> dict[str, float]:
    """`{write_mb_s, read_mb_s}` of one file written with fsync and read back past the page cache.

    At most 64 MiB and about a second. The file has no name while it is written: whatever ends this program, nothing is
    left. A file system without direct reads (tmpfs) tells no `read_mb_s`.
    """
    there = _existing(folder)
    try:
        writing, name = tempfile.mkstemp(prefix=".freehold-doctor-", dir=str(there))
    except OSError as error:
        raise UnreadableError(f"{there}: {error.strerror or error}") from None
    reading = _open_direct(name)
    Path(name).unlink()
    try:
        started, written = time.perf_counter(), 0
        while written < MOST_BYTES and (written == 0 or time.perf_counter() - started < WRITING_S):
            written += os.write(writing, BLOCK)
            os.fsync(writing)
        found = {"write_mb_s": round(written / MB / (time.perf_counter() - started), 1)}
        return found if reading is None else {**found, **_read_direct(reading)}
    finally:
        os.close(writing)
        if reading is not None:
            os.close(reading)


def _open_direct(path: str) -> int | None:
    """A descriptor that reads past the page cache (open(2), O_DIRECT), or None where there are none."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECT)
    except (AttributeError, OSError):
        return None


def _read_direct(handle: int) -> dict[str, float]:
    with mmap.mmap(-1, len(BLOCK)) as aligned:  # direct reads want memory that starts with a page
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < READING_S:
            try:
                got = os.readv(handle, [aligned])
            except OSError:
                return {}
            done += got
            if got < len(BLOCK):
                break
        return {"read_mb_s": round(done / MB / max(time.perf_counter() - started, 1e-6), 1)}


def operating_system() -> dict[str, str]:
    """`{system, libc, id, version, name, like}`; the last four of os-release(5)."""
    found = {"system": platform.system(), "libc": _libc()}
    for path in OS_RELEASE:
        try:
            return {**found, **parse_os_release(read_text(path))}
        except UnreadableError:
            continue
    return found


def _libc() -> str:
    """`glibc 2.31`; "" on a system with another C library."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        return ""


def parse_os_release(text: str) -> dict[str, str]:
    """Its lines NAME=value, the value in quotes or not."""
    keys = {"ID": "id", "VERSION_ID": "version", "PRETTY_NAME": "name", "ID_LIKE": "like"}
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name in keys:
            found[keys[name]] = value.strip().strip("\"'")
    return found


def cgroups() -> str:
    """`v2`, `v1`, or `hybrid`: version 1 controllers with the unified tree beside them."""
    if (CGROUPS / "cgroup.controllers").exists():
        return "v2"
    if (CGROUPS / "unified").is_dir():
        return "hybrid"
    if (CGROUPS / "memory").is_dir() or (CGROUPS / "cpu").is_dir():
        return "v1"
    raise UnreadableError(f"{CGROUPS} shows no control groups")


def container() -> dict[str, Any]:
    """`{inside, kind}`: whether this is a container, by what Kubernetes, Docker and podman leave in one."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return {"inside": True, "kind": "kubernetes"}
    marks = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
    kinds = [kind for path, kind in marks if Path(path).exists()]
    return {"inside": bool(kinds), "kind": kinds[0] if kinds else ""}


def python() -> dict[str, str]:
    """`{version, path}` of the Python that runs this."""
    return {"version": platform.python_version(), "path": sys.executable or ""}


def limits() -> dict[str, int]:
    """`{open_files}`: the hard limit of descriptors; -1 is none."""
    return {"open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1]}


def shm() -> dict[str, int]:
    """`{total, free}` of /dev/shm in bytes."""
    usage = shutil.disk_usage(SHM)
    return {"total": usage.total, "free": usage.free}


def clock() -> dict[str, Any]:
    """`{synchronised, by}`: what the kernel says of its clock, else timedatectl, else chrony."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None).adjtimex(timex)  # modes = 0: only reads
    except (AttributeError, OSError):
        state = -1
    if state >= 0 and struct.calcsize("l") == 8:
        (status,) = struct.unpack_from("i", timex.raw, TIMEX_STATUS_AT)
        return {"synchronised": not status & STA_UNSYNC, "by": "kernel"}
    try:
        answer = output_of(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
        return {"synchronised": answer.strip() == "yes", "by": "timedatectl"}
    except UnreadableError:
        leap = re.search(r"Leap status\s*:\s*(.+)", output_of(["chronyc", "tracking"]))
        return {"synchronised": bool(leap and leap.group(1).strip() == "Normal"), "by": "chrony"}


def readers(folder: Path) -> dict[str, Reader]:
    """The facts of this file; those of disks are of where `folder` lies."""
    return {
        "cpu": cpu,
        "memory": memory,
        "disk": lambda: disk(folder),
        "disk_speed": lambda: disk_speed(folder),
        "os": operating_system,
        "kernel": platform.release,
        "cgroups": cgroups,
        "container": container,
        "python": python,
        "limits": limits,
        "shm": shm,
        "clock": clock,
    }


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
