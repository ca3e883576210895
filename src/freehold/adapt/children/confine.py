"""Becomes another program with nothing around it: limits, a file tree of its own, no network, no privileges.

Run by its path, before anything of the house is imported: `python -I -S confine.py PLAN`, where PLAN is a file with one
JSON object (`Plan`): the links of a large source are more than fits into an argument. The first turn sets limits and
the signal that follows the parent's death; where the plan names namespaces, `unshare` of util-linux makes them and runs
this file a second time inside, which lays out the tree, gives up every privilege and becomes the command. System calls
go through libc, since Python 3.11 has none of them.
"""

import ctypes
import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38  # linux/prctl.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384  # linux/mount.h
KEPT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC  # which a user namespace may not take off; statvfs has the same bits
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "loongarch64": 41}
MOST_CAPABILITIES = 64
CAPABILITY_VERSION = 0x20080522  # linux/capability.h; six words: effective, permitted, inheritable, twice
BY_SIGNAL = 128
INSIDE = "inside"

# The system's programs and libraries, as far as they are there.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system/cpu")
# What loaders and the C library look up; nothing that is a secret.
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "passwd", "group")
DEVICES = ("null", "zero", "full", "random", "urandom")

Plan = dict[str, Any]
"""`command`: words; `namespaces`: words of `unshare`, empty for limits only; `root`: an empty folder to lay the tree
out in; `reads` and `writes`: paths that are seen, at the same place; `folder`: where the command starts; `limits`: name
of a resource (RLIMIT_...) -> amount; `temporary_bytes`: size of /tmp."""


def main(path: str, turn: str = "") -> int:
    """The exit code of the command, where this is not replaced by it."""
    plan: Plan = json.loads(Path(path).read_bytes())
    inside = turn == INSIDE
    if plan["namespaces"] and not inside:
        die_with_parent()
        set_limits(plan["limits"])
        again = (sys.executable, "-I", "-S", __file__, path, INSIDE)
        os.execvp(plan["namespaces"][0], [*plan["namespaces"], *again])  # noqa: S606 - no shell is what is wanted
    if inside:
        lay_out(plan)
    else:
        die_with_parent()
        set_limits(plan["limits"])
    os.chdir(plan["folder"])
    give_up_privileges()
    if inside:
        child = os.fork()
        if child:
            return outlive(child)
    os.execv(plan["command"][0], plan["command"])  # noqa: S606 - no shell is what is wanted
    return 1


def outlive(child: int) -> int:
    """As the first process of its namespace, wait for `child`; its exit code, or 128 and the signal that ended it.

    The first process is deaf to signals that would end another, so the command must not be it; when it ends, the kernel
    ends all others.
    """
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else BY_SIGNAL - code


def die_with_parent() -> None:
    """Be killed when the process that started this one is gone, however that ended."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1 and os.getpid() != 1:  # it was gone before the call
        sys.exit(1)


def set_limits(limits: dict[str, int]) -> None:
    """Lower each limit, at most to what this process may have itself."""
    for name, amount in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        most = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        # The first excess of processor time is a signal with a name of its own, before the one that says only "killed".
        resource.setrlimit(kind, (max(0, most - 1) if kind == resource.RLIMIT_CPU else most, most))


def give_up_privileges() -> None:
    """Of all that root may do nothing is left behind the next exec, and no set-user-id program gives it back."""
    for capability in range(MOST_CAPABILITIES):
        libc().prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for numbers that there are not, and for non-root
    # What is inheritable would come through the exec all the same: older Docker starts its containers with some.
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    call("capset", libc().capset(header, nothing))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def lay_out(plan: Plan) -> None:
    """A new root: the system and what the plan names, read-only but for `writes`; an own /proc, /dev and /tmp."""
    root = Path(plan["root"])
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in (*SYSTEM, *(f"/etc/{name}" for name in SETTINGS)):
        show(root, Path(path))
    memory(root / "tmp", plan["temporary_bytes"])
    memory(root / "dev" / "shm", 64 << 20)
    for path in sorted(plan["reads"]):  # parents before what lies in them
        show(root, Path(path))
    for path in sorted(plan["writes"]):
        show(root, Path(path), again=True)
    for name in DEVICES:
        show(root, Path("/dev") / name)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(target)
    (root / "proc").mkdir()
    mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    writable = {root / "tmp", root / "dev" / "shm", *(root / path.lstrip("/") for path in plan["writes"])}
    for place in mounts_under(root):
        if place not in writable:
            kept = os.statvfs(place).f_flag & KEPT_FLAGS
            mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | kept)
    os.chdir(root)
    call("pivot_root", libc().syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."))
    call("umount", libc().umount2(b".", MNT_DETACH))
    os.chdir("/")


def show(root: Path, path: Path, again: bool = False) -> None:
    """Let `path` be seen under `root` at its own place: the system's links as links, all else bound.

    What is there already, inside of something bound, is left, or bound `again` so that it can be writable.
    """
    target = root / path.relative_to("/")
    there = os.path.lexists(target)
    if not path.exists() or (there and not again):  # not every system has /lib32
        return
    if not there:
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and str(path.parent) in {"/", "/etc"}:
            target.symlink_to(os.path.relpath(path.resolve(), path.parent))
            return
        if path.is_dir():
            target.mkdir()
        else:
            target.touch()
    mount(str(path), target, None, MS_BIND | MS_REC)


def memory(place: Path, size: int) -> None:
    """A writable folder of `size` bytes that goes when the command ends."""
    place.mkdir(parents=True)
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode=1777")


def mounts_under(root: Path) -> list[Path]:
    """Where something is mounted in `root`, and `root` itself."""
    lines = Path("/proc/self/mountinfo").read_bytes().strip().split(b"\n")
    places = [Path(os.fsdecode(unescaped(line.split(b" ")[4]))) for line in lines]  # proc(5): the fifth field
    return [place for place in places if place.is_relative_to(root)]


def unescaped(path: bytes) -> bytes:
    """A path as the kernel lists it, in which a space is \\040."""
    return re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1], 8)]), path)


def mount(source: str | None, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2). Raises OSError."""
    texts = [os.fsencode(text) if text is not None else None for text in (source, target, kind, data)]
    call(f"mount {target}", libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3]))


def prctl(option: int, value: int) -> None:
    """prctl(2). Raises OSError."""
    call("prctl", libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def call(what: str, result: int) -> None:
    """Raise OSError where a system call failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
