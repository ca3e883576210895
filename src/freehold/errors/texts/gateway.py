"""Errors of models behind another server: what a configuration says of them, and what their servers do."""

from freehold.errors.kinds import Entry, Kind

_CONFIG: dict[str, Entry] = {
    "config_command_of_upstream": Entry(
        Kind.INVALID,
        "{where}: `{id}` has a `command`, but its source {source} is a server that runs already.",
        "Remove `command`, or name the model that the command serves as the source.",
        "{where}：`{id}` 设置了 `command`，但其来源 {source} 是已在运行的服务器。",
        "请删除 `command`，或将来源写成该命令所服务的模型。",
    ),
    "config_command_of_engine": Entry(
        Kind.INVALID,
        "{where}: `{id}` has a `command`, but the engine `onnx` runs models in this process.",
        "Remove `command`, or leave `engine` out.",
        "{where}：`{id}` 设置了 `command`，但引擎 `onnx` 在本进程内运行模型。",
        "请删除 `command` 或 `engine`。",
    ),
    "config_command_portless": Entry(
        Kind.INVALID,
        "{where}: the `command` of `{id}` takes no {{port}}, so its server cannot be told where to listen.",
        'Pass it on, for example: command: [{program}, --host, 127.0.0.1, --port, "{{port}}", --model, "{{model}}"].',
        "{where}：`{id}` 的 `command` 中没有 {{port}}，无法告知其服务器监听哪个端口。",
        '请传入端口，例如：command: [{program}, --host, 127.0.0.1, --port, "{{port}}", --model, "{{model}}"]。',
    ),
    "note_ignored_for_child": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` is run by a program of its own.",
        "Remove it; what that program should know stands in `command`.",
        "{where}：`{key}` 被忽略：`{id}` 由另一个程序运行。",
        "请删除；该程序的参数写在 `command` 中。",
    ),
    "note_abilities_of_local": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: what `{id}` can do is read from its own files.",
        "Remove it.",
        "{where}：`{key}` 被忽略：`{id}` 的能力由其自身文件得知。",
        "请删除。",
    ),
    "note_upstream_unproven": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` asks for a proof of `{id}`, which another program runs: it is served as `proof: none`.",
        "Only what runs in Freehold itself can be proven by its goldens; remove it, or serve the model's own files.",
        "{where}：`{key}` 要求 `{id}` 提供证明，但它由其他程序运行：将以 `proof: none` 提供服务。",
        "只有在 Freehold 内运行的模型才能用基准输出证明；请删除该项，或改为直接服务模型文件。",
    ),
}

ENTRIES: dict[str, Entry] = {**_CONFIG}
