"""Checks of the system: its release, kernel, control groups, Python, Docker and Compose, its clock."""

from __future__ import annotations

from typing import Iterator

from freehold.deploy.doctor.check import INSIDE, Check, Status, Text, Topic
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot
from freehold.deploy.doctor.versions import Version, version_of

PREFERRED = "Ubuntu 20.04, 22.04"
LISTED = {"ubuntu": ("20.04", "22.04", "24.04"), "debian": ("12",)}
"""Releases by their os-release ID; Ubuntu is the handbook's, Debian 12 is under our image."""
OLDEST_KERNEL, NEEDED_KERNEL = (3, 10), (4, 18)
"""Docker's own floor, and the oldest of distributions that still get fixes (RHEL 8)."""
OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 28)
"""Of the wheels of ONNX Runtime (manylinux_2_28)."""
COMPOSE_V1 = (1, 28)
"""The first that knows `deploy.resources.reservations.devices` (GPUs)."""
DOCKER_PACKAGES = {"ubuntu": "docker.io", "debian": "docker.io"}
COMPOSE_PACKAGES = {"ubuntu": "docker-compose-v2", "debian": "docker-compose"}
"""By os-release's ID; other distributions have none, or older ones, and Docker's repository serves them."""
SKEW_WARN_S, SKEW_FAIL_S = 5.0, 300.0

OS = Topic(
    "os",
    Text(
        "Drivers, Docker and Kubernetes are packaged and tested for a few releases; on others some step may differ.",
        "驱动、Docker 与 Kubernetes 只为少数发行版打包和测试；其他系统上个别步骤可能不同。",
    ),
    Text(
        f"{PREFERRED} are preferred. Another Linux works where the checks of kernel and Docker pass.",
        f"推荐 {PREFERRED}。其他 Linux 只要内核、Docker 等检查通过也可使用。",
    ),
)
KERNEL = Topic(
    "kernel",
    Text(
        "Containers rest on it: storage by overlay2, limits by control groups, system calls of newer C libraries.",
        "容器依赖内核：overlay2 存储、控制组限额，以及新版 C 库所用的系统调用。",
    ),
    Text(
        "Upgrade the system to a release with kernel 4.18 or newer (5.4 in Ubuntu 20.04, 5.15 in 22.04).",
        "请升级到内核 4.18 以上的系统（Ubuntu 20.04 为 5.4，22.04 为 5.15）。",
    ),
)
CGROUPS = Topic(
    "cgroups",
    Text(
        "Limits of memory and processors, and how much of them we may use, are kept in control groups.",
        "内存与处理器的限额，以及可用量，都由控制组管理。",
    ),
    Text(
        "Boot with `systemd.unified_cgroup_hierarchy=1` (kernel 5.2 or newer) for version 2 alone.",
        "请以内核参数 `systemd.unified_cgroup_hierarchy=1` 启动（内核 5.2 以上），仅使用 v2。",
    ),
)
PYTHON = Topic(
    "python",
    Text(
        "Freehold runs on Python 3.11 and glibc; its image carries both, an installation by pip needs them here.",
        "Freehold 运行于 Python 3.11 与 glibc；镜像自带，使用 pip 安装时则需本机提供。",
    ),
    Text(
        "Use the image (Docker, Kubernetes), or install Python 3.11 beside the system's, on a release with this glibc.",
        "请使用镜像（Docker、Kubernetes），或在具备该 glibc 的系统上另行安装 Python 3.11。",
    ),
)
DOCKER = Topic(
    "docker",
    Text(
        "`freehold deploy` on one machine starts every service as a container.",
        "单机 `freehold deploy` 把每个服务作为容器启动。",
    ),
    Text(
        "Install Docker Engine 20.10 or newer: the package docker-ce of Docker's repository or a mirror of it.",
        "请安装 Docker Engine 20.10 以上：Docker 软件源（或其镜像）中的 docker-ce。",
    ),
)
COMPOSE = Topic(
    "compose",
    Text(
        "The rendered services are started by Compose: version 2, or docker-compose 1.28 and newer.",
        "渲染出的服务由 Compose 启动：v2，或 docker-compose 1.28 以上。",
    ),
    Text(
        "Install it: the package docker-compose-plugin of Docker's repository or a mirror of it.",
        "请安装 Docker 软件源（或其镜像）中的 docker-compose-plugin。",
    ),
)
CLOCK = Topic(
    "clock",
    Text(
        "Certificates, keys with an end, signatures and logs of several machines all rest on the time.",
        "证书、有期限的密钥、签名以及多机日志都依赖准确时间。",
    ),
    Text(
        "Synchronise it: `sudo timedatectl set-ntp true`, or chrony with a server of your network.",
        "请同步时间：`sudo timedatectl set-ntp true`，或使用 chrony 并指向内网时间服务器。",
    ),
)


def release(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The distribution: one that is not listed is a warning, another system than Linux a failure."""
    system = snapshot.text("os", "system")
    name = snapshot.text("os", "name") or snapshot.text("os", "id") or system or "?"
    if system is None:
        yield OS.unknown(snapshot.reason("os"), PREFERRED)
    elif system != "Linux":
        fix = Text("Run Freehold in a Linux container or virtual machine.", "请在 Linux 容器或虚拟机中运行 Freehold。")
        yield OS.judged("fail", system, "Linux", fix)
    elif snapshot.text("os", "version") in LISTED.get(snapshot.text("os", "id") or "", ()):
        yield OS.ok(name, PREFERRED)
    else:
        yield OS.judged("warn", Text(f"{name}: not listed", f"{name}：不在列表中"), PREFERRED)


def kernel(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The kernel's version."""
    needed = _dotted(NEEDED_KERNEL)
    version = version_of(snapshot.text("kernel"))
    if version is None:
        yield KERNEL.unknown(snapshot.reason("kernel"), needed)
        return
    status: Status = "ok" if version >= NEEDED_KERNEL else "warn" if version >= OLDEST_KERNEL else "fail"
    yield KERNEL.judged(status, snapshot.text("kernel") or "", needed)


def cgroups(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Version 1 still serves Docker; Kubernetes leaves it behind."""
    needed = "v2" if profile.kubernetes == "needed" else "v2, v1"
    found = snapshot.text("cgroups")
    if found is None:
        yield CGROUPS.unknown(snapshot.reason("cgroups"), needed)
    elif found != "v2" and profile.kubernetes == "needed":
        told = Text(f"{found}: only maintained by Kubernetes since 1.31", f"{found}：Kubernetes 自 1.31 起仅作维护")
        yield CGROUPS.judged("warn", told, needed)
    else:
        yield CGROUPS.ok(found, needed)


def python(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """An older Python or C library matters only where nothing but pip can bring Freehold."""
    needed = f"{_dotted(OLDEST_PYTHON)}, glibc {_dotted(OLDEST_GLIBC)}"
    python, libc = snapshot.text("python", "version"), snapshot.text("os", "libc")
    version = version_of(python)
    if version is None:
        yield PYTHON.unknown(snapshot.reason("python"), needed)
        return
    found = f"{python}, {libc}" if libc else f"{python}"
    old_libc = libc is not None and (version_of(libc) or ()) < OLDEST_GLIBC
    if version >= OLDEST_PYTHON and not old_libc:
        yield PYTHON.ok(found, needed)
    elif snapshot.text("docker", "server") or profile.kubernetes == "needed":
        yield PYTHON.ok(Text(f"{found}; the image carries its own", f"{found}；镜像自带"), needed)
    else:
        yield PYTHON.judged("warn", found, needed)


def docker(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Client and daemon; inside a container there is nothing to ask for."""
    needed = f">= {profile.docker_version}"
    if not snapshot.has("docker"):
        if snapshot.flag("container", "inside"):
            yield DOCKER.judged("skip", INSIDE, needed)
            return
        reason = snapshot.reason("docker") or "-"
        fix = _install(snapshot, DOCKER_PACKAGES)
        yield DOCKER.lacking(profile.docker, Text(f"none: {reason}", f"无：{reason}"), needed, fix)
        return
    server = snapshot.text("docker", "server")
    version = version_of(server)
    if server is None or version is None:
        trouble = snapshot.text("docker", "trouble") or "-"
        found = Text(f"the daemon does not answer: {trouble}", f"守护进程无响应：{trouble}")
        yield DOCKER.lacking(profile.docker, found, needed, _daemon_fix(trouble))
    elif version < (version_of(profile.docker_version) or ()):
        yield DOCKER.lacking(profile.docker, server, needed, _install(snapshot, DOCKER_PACKAGES))
    else:
        yield DOCKER.ok(server, needed)


def _daemon_fix(trouble: str) -> Text:
    if "permission denied" in trouble.lower():
        return Text(
            "Run as root, or let this user: `sudo usermod -aG docker $USER`, then log in again.",
            "请以 root 运行，或授权当前用户：`sudo usermod -aG docker $USER`，然后重新登录。",
        )
    return Text(
        "Start it: `sudo systemctl enable --now docker`; `journalctl -u docker` says why it does not.",
        "请启动：`sudo systemctl enable --now docker`；用 `journalctl -u docker` 查看失败原因。",
    )


def compose(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Version 2 as a plugin of Docker, or a late version 1."""
    needed = f"v2, v1 >= {_dotted(COMPOSE_V1)}"
    second, first = snapshot.text("compose", "v2"), snapshot.text("compose", "v1")
    if second:
        yield COMPOSE.ok(second, needed)
    elif first and (version_of(first) or ()) >= COMPOSE_V1:
        yield COMPOSE.ok(f"docker-compose {first}", needed)
    elif first:
        yield COMPOSE.lacking(profile.docker, f"docker-compose {first}", needed, _install(snapshot, COMPOSE_PACKAGES))
    elif snapshot.flag("container", "inside"):
        yield COMPOSE.judged("skip", INSIDE, needed)
    else:
        reason = snapshot.reason("compose") or "-"
        fix = _install(snapshot, COMPOSE_PACKAGES)
        yield COMPOSE.lacking(profile.docker, Text(f"none: {reason}", f"无：{reason}"), needed, fix)


def clock(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Whether it is synchronised, and how far it is from the registry's where one was asked."""
    needed = Text(f"synchronised, within {SKEW_WARN_S:g} s", f"已同步，偏差 {SKEW_WARN_S:g} 秒以内")
    synchronised, skew = snapshot.flag("clock", "synchronised"), snapshot.number("registry", "skew_s")
    if synchronised is None and skew is None:
        yield CLOCK.unknown(snapshot.reason("clock"), needed)
        return
    words = []
    if synchronised is not None:
        words.append(Text("synchronised", "已同步") if synchronised else Text("not synchronised", "未同步"))
    if skew is not None:
        words.append(Text(f"{skew:+.1f} s from the registry's", f"与镜像仓库相差 {skew:+.1f} 秒"))
    found = Text(", ".join(word.en for word in words), "，".join(word.zh for word in words))
    far = abs(skew or 0.0)
    good = synchronised is not False and far <= SKEW_WARN_S
    yield CLOCK.judged("fail" if far > SKEW_FAIL_S else "ok" if good else "warn", found, needed)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _install(snapshot: Snapshot, packages: dict[str, str]) -> Text | None:
    """The line that installs a package on this distribution, by the name it has there; None where it has none."""
    names = {snapshot.text("os", "id") or "", *(snapshot.text("os", "like") or "").split()}
    for family, package in packages.items():
        if family in names:
            line = f"sudo apt-get install -y {package}"
            return Text(f"Install it: `{line}`.", f"请安装：`{line}`。")
    return None


CHECKS: tuple[Checking, ...] = (release, kernel, cgroups, python, docker, compose, clock)
