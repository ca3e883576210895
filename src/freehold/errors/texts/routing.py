"""Errors of which model a request names, and where its route sends it."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "model_conflict": Entry(
        Kind.INVALID,
        "The request names different models ({said}).",
        "Name the model once, or the same one everywhere: path, header `x-model-id`, query `model_id`, body `model`.",
        "请求指定了不同的模型（{said}）。",
        "请只指定一次，或在路径、请求头 `x-model-id`、查询参数 `model_id`、请求体 `model` 中保持一致。",
    ),
}
