"""Checks of the machine's size: cores, what they compute fast, memory, disk, open files, shared memory."""

from __future__ import annotations

from typing import Iterator

from freehold.deploy.doctor.check import Check, Text, Topic
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot

GB, MB = 1e9, 1e6
NEARLY = 0.9
"""Of memory: a machine sold with 32 GB shows less, since firmware and kernel keep some of it."""

CORES = Topic(
    "cores",
    Text(
        "Requests are computed on these; with fewer, answers take longer and queues grow.",
        "请求在这些核上计算；核数不足时响应变慢、排队变长。",
    ),
    Text(
        "Use a machine with more cores, raise the container's CPU limit, or ask less: `--profile minimal`, `edge`.",
        "请换用核数更多的机器、调高容器的 CPU 限额，或降低要求：`--profile minimal`、`edge`。",
    ),
)
MEMORY = Topic(
    "memory",
    Text(
        "Weights lie in memory, and batches need room beside them; a container above its limit is killed.",
        "权重常驻内存，批处理还需额外空间；容器超出限额会被终止。",
    ),
    Text(
        "Use a machine with more memory, raise the container's memory limit, or ask less: `--profile minimal`, `edge`;"
        " `freehold doctor --fit` computes what your models need.",
        "请换用内存更大的机器、调高容器内存限额，或降低要求：`--profile minimal`、`edge`；"
        "`freehold doctor --fit` 可计算您的模型所需内存。",
    ),
)
DISK_SPACE = Topic(
    "disk_space",
    Text(
        "Models, their versions and images are kept there; a full disk stops fetching, converting and rolling out.",
        "模型、各版本与镜像存放于此；磁盘写满会使下载、转换与发布失败。",
    ),
    Text(
        "Free space there, or set FREEHOLD_HOME to a folder on a larger disk.",
        "请清理空间，或将 FREEHOLD_HOME 设为更大磁盘上的目录。",
    ),
)
DISK_SPEED = Topic(
    "disk_speed",
    Text(
        "A model starts as fast as its weights are read: 16 GB take 80 s at 200 MB/s.",
        "模型的启动速度取决于读取权重的速度：16 GB 在 200 MB/s 下需 80 秒。",
    ),
    Text(
        "Put FREEHOLD_HOME on a local SSD; on a cluster set `deploy.disk_mb_s`: startup probes wait by it.",
        "请将 FREEHOLD_HOME 放在本地 SSD 上；在集群中请设置 `deploy.disk_mb_s`，使启动探针等待足够长的时间。",
    ),
)
FEATURES = Topic(
    "cpu",
    Text(
        "The processor's vector instructions decide how fast each precision is computed.",
        "处理器的向量指令决定各精度的计算速度。",
    ),
    Text(
        "Use a processor with AVX2 or newer (x86-64), or with dot products (64-bit Arm: asimddp); in a virtual machine"
        " let the host's CPU through (`host-passthrough`).",
        "请使用支持 AVX2 或更新指令（x86-64）、或支持点积指令（64 位 Arm：asimddp）的处理器；"
        "虚拟机请透传宿主机 CPU（`host-passthrough`）。",
    ),
)
OPEN_FILES = Topic(
    "open_files",
    Text(
        "Each connection and each file of weights is one; at the limit new connections are refused.",
        "每个连接和每个权重文件占用一个描述符；达到上限后会拒绝新连接。",
    ),
    Text(
        "Raise it: `ulimit -Hn 65536` as root, `LimitNOFILE=65536` in systemd, `ulimits: {nofile: 65536}` (Compose).",
        "请调高：root 执行 `ulimit -Hn 65536`，systemd 设 `LimitNOFILE=65536`，Compose 设 `ulimits: {nofile: 65536}`。",
    ),
)
SHM = Topic(
    "shm",
    Text(
        "Processes of one model, vLLM's on several GPUs above all, exchange tensors in /dev/shm.",
        "同一模型的多个进程（尤其是多卡 vLLM）通过 /dev/shm 交换张量。",
    ),
    Text(
        "Make it larger: `--shm-size=1g` (Docker), `shm_size: 1gb` (Compose), an emptyDir with `medium: Memory` at"
        " /dev/shm (Kubernetes).",
        "请调大：Docker 用 `--shm-size=1g`，Compose 用 `shm_size: 1gb`，"
        "Kubernetes 用 `medium: Memory` 的 emptyDir 挂载到 /dev/shm。",
    ),
)


def cores(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Processors that this process may use, within the container's quota."""
    needed = str(profile.cores)
    logical, quota = snapshot.number("cpu", "logical"), snapshot.number("cpu", "quota")
    if logical is None:
        yield CORES.unknown(snapshot.reason("cpu"), needed)
        return
    usable = logical if quota is None else min(logical, quota)
    physical = snapshot.number("cpu", "physical")
    found = Text(f"{usable:g}", f"{usable:g}")
    if usable < logical:
        found = Text(f"{usable:g} of {logical:g} (the container's limit)", f"{usable:g} / {logical:g}（容器限额）")
    elif physical is not None and physical < logical:
        found = Text(f"{usable:g} ({physical:g} physical)", f"{usable:g}（{physical:g} 个物理核）")
    yield CORES.ok(found, needed) if usable >= profile.cores else CORES.lacking(profile.size, found, needed)


def memory(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Memory within the container's limit."""
    needed = f"{profile.memory_gb:g} GB"
    total, machine = snapshot.number("memory", "total"), snapshot.number("memory", "machine")
    if total is None:
        yield MEMORY.unknown(snapshot.reason("memory"), needed)
        return
    found = Text(_gb(total), _gb(total))
    if machine is not None and total < machine:
        found = Text(
            f"{_gb(total)} of {_gb(machine)} (the container's limit)", f"{_gb(total)} / {_gb(machine)}（容器限额）"
        )
    enough = total >= NEARLY * profile.memory_gb * GB
    yield MEMORY.ok(found, needed) if enough else MEMORY.lacking(profile.size, found, needed)


def disk_space(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Room where models are kept. A folder that cannot be written is a warning: state is kept in memory then."""
    needed = f"{profile.disk_gb:g} GB"
    free, folder = snapshot.number("disk", "free"), snapshot.text("disk", "folder") or "?"
    if free is None:
        yield DISK_SPACE.unknown(snapshot.reason("disk"), needed)
        return
    found = Text(f"{_gb(free)} free for {folder}", f"{folder} 可用 {_gb(free)}")
    if snapshot.flag("disk", "writable") is False:
        unwritable = Text(f"{folder} cannot be written by this user", f"当前用户无法写入 {folder}")
        chown = Text(
            f"Let the user of the service write there: `sudo chown -R 10001:10001 {folder}` for our image.",
            f"请让服务用户可写：本产品镜像用 `sudo chown -R 10001:10001 {folder}`。",
        )
        yield DISK_SPACE.judged("warn", unwritable, needed, chown)
        return
    enough = free >= profile.disk_gb * GB
    yield DISK_SPACE.ok(found, needed) if enough else DISK_SPACE.lacking(profile.size, found, needed)


def disk_speed(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """How fast that disk is read, or written where it tells no reading."""
    needed = f"{profile.disk_mb_s:g} MB/s"
    written, read = snapshot.number("disk_speed", "write_mb_s"), snapshot.number("disk_speed", "read_mb_s")
    speed = written if read is None else read
    if speed is None:
        yield DISK_SPEED.unknown(snapshot.reason("disk_speed"), needed)
        return
    parts = [("reads", "读", read), ("writes", "写", written)]
    found = Text(
        ", ".join(f"{en} {value:,.0f} MB/s" for en, _, value in parts if value is not None),
        "，".join(f"{zh} {value:,.0f} MB/s" for _, zh, value in parts if value is not None),
    )
    yield DISK_SPEED.judged("ok" if speed >= profile.disk_mb_s else "warn", found, needed)


def features(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """What the processor computes fast, and what follows for models."""
    architecture, flags = snapshot.text("cpu", "architecture"), set(snapshot.texts("cpu", "flags"))
    needed = "x86-64: avx2; aarch64: asimddp"
    if architecture is None:
        yield FEATURES.unknown(snapshot.reason("cpu"), needed)
        return
    name = f"{snapshot.text('cpu', 'model') or '?'} ({architecture})"
    if architecture not in ("x86_64", "aarch64"):
        fix = Text("Use a machine with an x86-64 or 64-bit Arm processor.", "请使用 x86-64 或 64 位 Arm 处理器的机器。")
        none = Text(f"{name}: no ONNX Runtime is built for it", f"{name}：没有为其构建的 ONNX Runtime")
        yield FEATURES.judged("fail", none, needed, fix)
        return
    speeds = _speeds_x86(flags) if architecture == "x86_64" else _speeds_arm(flags)
    found = Text(
        f"{name}: {'; '.join(speed.en for speed in speeds)}", f"{name}：{'；'.join(speed.zh for speed in speeds)}"
    )
    fast = "avx2" in flags if architecture == "x86_64" else "asimddp" in flags
    yield FEATURES.judged("ok" if fast else "warn", found, needed)


def _speeds_x86(flags: set[str]) -> list[Text]:
    if "avx2" not in flags:
        return [Text("no avx2: several times slower in every precision", "无 avx2：各精度均慢数倍")]
    width = "avx512f" if "avx512f" in flags else "avx2"
    speeds = [Text(f"{width}: fp32 at full speed", f"{width}：fp32 全速")]
    tiles = [name for name in ("amx_int8", "avx512_vnni", "avx_vnni") if name in flags]
    if tiles:
        speeds.append(Text(f"{tiles[0]}: int8 pays off", f"{tiles[0]}：int8 收益明显"))
    else:
        speeds.append(Text("no vnni: int8 saves memory more than time", "无 vnni：int8 省内存多于省时间"))
    halves = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    if halves:
        speeds.append(Text(f"{halves[0]}: bf16 encoders up to twice as fast", f"{halves[0]}：bf16 编码模型最多快一倍"))
    return speeds


def _speeds_arm(flags: set[str]) -> list[Text]:
    width = "sve" if "sve" in flags else "neon"
    speeds = [Text(f"{width}: fp32 at full speed", f"{width}：fp32 全速")]
    dots = [name for name in ("i8mm", "asimddp") if name in flags]
    if dots:
        speeds.append(Text(f"{dots[0]}: int8 pays off", f"{dots[0]}：int8 收益明显"))
    else:
        speeds.append(Text("no asimddp: int8 saves memory more than time", "无 asimddp：int8 省内存多于省时间"))
    if "bf16" in flags:
        speeds.append(Text("bf16 in hardware", "硬件支持 bf16"))
    return speeds


def open_files(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The hard limit of descriptors: `serve` raises its soft one as far."""
    most = snapshot.number("limits", "open_files")
    needed = str(profile.open_files)
    if most is None:
        yield OPEN_FILES.unknown(snapshot.reason("limits"), needed)
        return
    enough = most < 0 or most >= profile.open_files
    found = Text("unlimited", "无限制") if most < 0 else f"{most:.0f}"
    yield OPEN_FILES.judged("ok" if enough else "warn", found, needed)


def shm(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """The size of /dev/shm."""
    total = snapshot.number("shm", "total")
    needed = f"{profile.shm_mb:g} MB"
    if total is None:
        yield SHM.unknown(snapshot.reason("shm"), needed)
        return
    yield SHM.judged("ok" if total >= profile.shm_mb * MB else "warn", f"{total / MB:,.0f} MB", needed)


def _gb(size: float) -> str:
    return f"{size / GB:,.1f} GB"


CHECKS: tuple[Checking, ...] = (cores, memory, disk_space, disk_speed, features, open_files, shm)
