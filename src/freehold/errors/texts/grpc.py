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
}
