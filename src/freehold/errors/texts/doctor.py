"""Errors of checking a machine or a cluster."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "doctor_snapshot_invalid": Entry(
        Kind.INVALID,
        "{path} is no snapshot of a machine: {reason}.",
        "Write one on that machine: `python3 doctor.pyz --snapshot machine.json`, or `freehold doctor --snapshot machine.json`.",
        "{path} 不是机器快照：{reason}。",
        "请在目标机器上生成：`python3 doctor.pyz --snapshot machine.json` 或 `freehold doctor --snapshot machine.json`。",
    ),
    "doctor_snapshot_unwritable": Entry(
        Kind.INVALID,
        "The snapshot {path} cannot be written: {reason}.",
        "Name a file in a folder that this user may write, or `-` for standard output.",
        "无法写入快照 {path}：{reason}。",
        "请指定该用户可写目录中的文件，或用 `-` 输出到标准输出。",
    ),
    "note_doctor_session": Entry(
        Kind.UNAVAILABLE,
        "Drivers and libraries that look right may still refuse: here the runtime opened a session and computed.",
        "See the checks of driver, CUDA and their compatibility; for `cuda` use the image of the variant cuda.",
        "驱动与库看似正常也可能无法使用：此项由运行时真正打开会话并完成一次计算。",
        "请查看驱动、CUDA 及其兼容性检查；`cuda` 请使用 cuda 版镜像。",
    ),
}
