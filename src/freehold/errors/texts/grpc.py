"""Errors of gRPC: its listener, and messages as they come."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "message_malformed": Entry(
        Kind.INVALID,
        "What came is no message of the type {message}.",
        "Check that the client was made from the Open Inference Protocol's own .proto file.",
        "收到的内容不是 {message} 类型的消息。",
        "请确认客户端由开放推理协议自身的 .proto 文件生成。",
    ),
    "method_not_offered": Entry(
        Kind.UNSUPPORTED,
        "The call {method} is not answered here.",
        "Ask `ServerMetadata` for `extensions`: they list what is.",
        "此处不提供 {method} 调用。",
        "请通过 `ServerMetadata` 的 `extensions` 查看所提供的扩展。",
    ),
    "service_unknown": Entry(
        Kind.NOT_FOUND,
        "There is no service {service!r} here.",
        'Ask for "", which is the whole server, or for "inference.GRPCInferenceService".',
        "此处没有服务 {service!r}。",
        '请查询 ""（整个服务器）或 "inference.GRPCInferenceService"。',
    ),
    "raw_and_contents": Entry(
        Kind.INVALID,
        "Input {name!r} has `contents` beside `raw_input_contents`.",
        "Send all inputs one way: each in its `contents`, or each in `raw_input_contents`.",
        "输入 {name!r} 同时使用了 `contents` 和 `raw_input_contents`。",
        "所有输入须采用同一种方式：全部用 `contents`，或全部用 `raw_input_contents`。",
    ),
    "raw_count_wrong": Entry(
        Kind.INVALID,
        "`raw_input_contents` has {raw} entries for {inputs} inputs.",
        "Send one entry for each input, in the order of `inputs`.",
        "`raw_input_contents` 有 {raw} 项，而输入有 {inputs} 个。",
        "请按 `inputs` 的顺序为每个输入发送一项。",
    ),
    "half_in_contents": Entry(
        Kind.INVALID,
        "Input {name!r} is {datatype}, which `contents` has no field for.",
        "Send it in `raw_input_contents`.",
        "输入 {name!r} 为 {datatype}，`contents` 中没有对应字段。",
        "请通过 `raw_input_contents` 发送。",
    ),
    "contents_wrong": Entry(
        Kind.INVALID,
        "Input {name!r} is {datatype} and carries `{seen}`.",
        "Put its elements into `{expected}`.",
        "输入 {name!r} 为 {datatype}，却携带了 `{seen}`。",
        "请把元素放入 `{expected}`。",
    ),
    "passed_refused": Entry(
        Kind.INVALID,
        "The server behind {model} refuses the request (status {status}): {reason}",
        "Change what it names, and send the request again.",
        "{model} 背后的服务器拒绝该请求（状态码 {status}）：{reason}",
        "请修改其指出的内容后重新发送。",
    ),
    "passed_unknown": Entry(
        Kind.NOT_FOUND,
        "The server behind {model} does not know what was asked for (status {status}): {reason}",
        "Ask for the version and the model that it has; its repository index lists them.",
        "{model} 背后的服务器没有所请求的内容（状态码 {status}）：{reason}",
        "请使用该服务器已有的模型与版本；其模型仓库索引会列出它们。",
    ),
    "passed_busy": Entry(
        Kind.OVERLOADED,
        "The server behind {model} takes no request now (status {status}): {reason}",
        "Send the request again in a moment.",
        "{model} 背后的服务器当前不接受请求（状态码 {status}）：{reason}",
        "请稍后重新发送。",
    ),
    "passed_late": Entry(
        Kind.TIMEOUT,
        "The server behind {model} was too late (status {status}): {reason}",
        "Send it again later or ask for less.",
        "{model} 背后的服务器超时（状态码 {status}）：{reason}",
        "请稍后重试，或减少请求内容。",
    ),
    "passed_failed": Entry(
        Kind.UPSTREAM,
        "The server behind {model} failed (status {status}): {reason}",
        "Send the request again; if it happens again, that server's own log says why.",
        "{model} 背后的服务器出错（状态码 {status}）：{reason}",
        "请重新发送；若再次发生，请查看该服务器自身的日志。",
    ),
    "passed_garbage": Entry(
        Kind.UPSTREAM,
        "The server behind {model} does not speak the Open Inference Protocol: {reason}.",
        "See that its `source` is a server of that protocol; others are asked over HTTP alone.",
        "{model} 背后的服务器不支持开放推理协议：{reason}。",
        "请确认其 `source` 是支持该协议的服务器；其他服务器只能通过 HTTP 访问。",
    ),
}
