"""Errors of servers of a model that are shared out, cast out and taken back."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "replica_differs": Entry(
        Kind.UPSTREAM,
        "A server of {model} does not have {name}, which the others are asked for; it has: {known}.",
        "Serve the same model under the same name at all addresses of {model}, set `upstream_model` to a name that all"
        " have, or remove the address that differs.",
        "{model} 的一台服务器没有 {name}（其余服务器均以此名请求）；它有：{known}。",
        "请让 {model} 的所有地址以同一名称提供同一模型，将 `upstream_model` 设为共有的名称，或删除不一致的地址。",
    ),
    "upstream_model_unready": Entry(
        Kind.UNAVAILABLE,
        "The server behind {model} answers, but its model {name} is not ready there (status {status}).",
        "Wait until it is loaded there, or set `upstream_model` of {model} to the name that the server has it under.",
        "{model} 背后的服务器有响应，但其模型 {name} 尚未就绪（状态码 {status}）。",
        "请等待该模型加载完成，或将 {model} 的 `upstream_model` 设为它在该服务器上的名称。",
    ),
    "replicas_down": Entry(
        Kind.UNAVAILABLE,
        "None of the {count} servers behind {model} answers: {reasons}",
        "Send the request again in a moment. They are numbered as in the configuration, `source` first, then `replicas`;"
        " each one's cause is above.",
        "{model} 背后的 {count} 台服务器均无响应：{reasons}",
        "请稍后重试。编号与配置一致：先 `source`，再 `replicas`；各自的原因见上。",
    ),
}
