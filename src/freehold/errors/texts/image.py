"""Errors of our own image."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "nothing_writable": Entry(
        Kind.UNAVAILABLE,
        "Neither {home} nor a folder for temporary files can be written: {reason}.",
        "In a container whose root is read-only give it one: `--tmpfs /tmp` (Compose: `tmpfs: [/tmp]`; Kubernetes: an emptyDir at /tmp), or a folder of the host at {home}.",
        "{home} 和临时文件目录均不可写：{reason}。",
        "若容器的根文件系统为只读，请提供可写目录：`--tmpfs /tmp`（Compose：`tmpfs: [/tmp]`；Kubernetes：在 /tmp 挂载 emptyDir），或将宿主机目录挂载到 {home}。",
    ),
}
