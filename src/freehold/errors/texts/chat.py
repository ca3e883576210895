"""Errors of requests for text: fields that are not offered, and limits of a model."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "field_refused": Entry(
        Kind.INVALID,
        "Field `{field}` is not offered here, and to ignore it would change what the answer means.",
        "Say the same with `{instead}`.",
        "此处不支持字段 `{field}`，而忽略它会改变回答的含义。",
        "请改用 `{instead}`。",
    ),
    "field_unsupported": Entry(
        Kind.INVALID,
        "Field `{field}` is not offered here, and to ignore it would change what the answer means.",
        "Send the request without `{field}`, or ask a server that offers it.",
        "此处不支持字段 `{field}`，而忽略它会改变回答的含义。",
        "请去掉 `{field}` 后重新发送，或改用支持它的服务。",
    ),
}
