"""Errors of servers of a model that are shared out, cast out and taken back."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "replicas_down": Entry(
        Kind.UNAVAILABLE,
        "None of the {count} servers behind {model} answers: {reasons}",
        "Send the request again in a moment. They are numbered as in the configuration, `source` first, then `replicas`;"
        " each one's cause is above.",
        "{model} 背后的 {count} 台服务器均无响应：{reasons}",
        "请稍后重试。编号与配置一致：先 `source`，再 `replicas`；各自的原因见上。",
    ),
}
