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
    "fit_card_taken": Entry(
        Kind.UNAVAILABLE,
        "{service} takes {share} of GPU {card}, and {holders} has {taken} of it until the new version has all requests.",
        "Set a `gpu_memory` with which both fit: {free} is left now, and with 0.5 or less every later change fits. Or do"
        " without service for a while: `freehold down --keep-data`, then `freehold deploy`.",
        "{service} 需要 GPU {card} 显存的 {share}，而 {holders} 在新版本接管全部请求之前仍占用 {taken}。",
        "请设置两者都能容纳的 `gpu_memory`：目前剩余 {free}；设为 0.5 或更小，则以后的更改都能容纳。或暂时停止服务："
        "先执行 `freehold down --keep-data`，再执行 `freehold deploy`。",
    ),
    "fit_files_changed": Entry(
        Kind.INVALID,
        "The files of {model} at {path} are not those that release had: they were changed in place since.",
        "Put them back, or deploy the configuration as a new version. Folders of their own, or the store"
        " (`freehold models add`), keep versions apart.",
        "{path} 处 {model} 的文件已不是该版本当时的文件：之后被原地修改过。",
        "请恢复这些文件，或将当前配置作为新版本部署。为每个版本使用单独的文件夹或存储（`freehold models add`）即可互不影响。",
    ),
}
