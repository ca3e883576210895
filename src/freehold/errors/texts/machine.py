"""Errors of the room `machine`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "two_onnxruntimes": Entry(
        Kind.INVALID,
        "More than one package brings the module onnxruntime: {found}. They overwrite each other's files.",
        "Keep one: `pip uninstall -y {remove}`, then `pip install {keep}`.",
        "有多个软件包提供 onnxruntime 模块：{found}，它们会互相覆盖文件。",
        "只保留一个：先执行 `pip uninstall -y {remove}`，再执行 `pip install {keep}`。",
    ),
}
