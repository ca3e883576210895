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
    "fit_too_large": Entry(
        Kind.UNAVAILABLE,
        "{model} needs {needed_mb} MiB of {place}, and {available_mb} MiB are there for it (also too large: {others}).\n{table}",
        "What fits: {largest}. Set that, choose a smaller precision, take a model off this machine, or use a larger one;"
        " `freehold doctor --fit` shows the formula.",
        "{model} 在 {place} 需要 {needed_mb} MiB，而可用的为 {available_mb} MiB（同样过大：{others}）。\n{table}",
        "可容纳：{largest}。请照此设置，或选用更小的精度、移走部分模型、换用更大的机器；`freehold doctor --fit` 会显示公式。",
    ),
}
