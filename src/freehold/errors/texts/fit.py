"""Errors of models that do not fit a machine."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "fit_unreadable": Entry(
        Kind.INVALID,
        "What {path} needs in memory cannot be told: {reason}.",
        "Fetch or copy the model again; `freehold verify` reads every file of it.",
        "无法得知 {path} 需要多少内存：{reason}。",
        "请重新下载或复制该模型；`freehold verify` 会读取其全部文件。",
    ),
}
