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
    "note_needs_other_server": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` runs in Freehold itself, which reads that from its files.",
        "Remove it.",
        "{where}：`{key}` 被忽略：`{id}` 在 Freehold 内运行，相关信息由模型文件得知。",
        "请删除。",
    ),
    "note_proof_elsewhere": Entry(
        Kind.UNSUPPORTED,
        "{model} is computed by another program, so nothing of it can be verified here.",
        "Nothing to do: it is served as `proof: none`. To have it proven, serve the model's own files with Freehold.",
        "{model} 由其他程序计算，无法在此验证。",
        "无需操作：它以 `proof: none` 提供服务。如需证明，请用 Freehold 直接服务模型文件。",
    ),
    "note_upstream_unproven": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` asks for a proof of `{id}`, which another program runs: it is served as `proof: none`.",
        "Only what runs in Freehold itself can be proven by its goldens; remove it, or serve the model's own files.",
        "{where}：`{key}` 要求 `{id}` 提供证明，但它由其他程序运行：将以 `proof: none` 提供服务。",
        "只有在 Freehold 内运行的模型才能用基准输出证明；请删除该项，或改为直接服务模型文件。",
    ),
}

_START: dict[str, Entry] = {
    "child_program_missing": Entry(
        Kind.NOT_FOUND,
        "`{program}`, which is to serve {model}, is not found.",
        "Install it (vLLM: `pip install vllm` in an environment of its own) and put it on PATH, or write its full path"
        " into `command`.",
        "找不到用于服务 {model} 的程序 `{program}`。",
        "请安装（vLLM：在独立环境中 `pip install vllm`）并加入 PATH，或在 `command` 中写出完整路径。",
    ),
    "child_died": Entry(
        Kind.UNAVAILABLE,
        "The program that serves {model} ended ({how}); its last words: {said}",
        "It is started again by itself; if it keeps ending, run its command by hand, or read its lines in the log.",
        "服务 {model} 的程序已退出（{how}）；最后输出：{said}",
        "程序会自动重启；若持续退出，请手动运行该命令，或查看日志中它的输出。",
    ),
    "child_never_ready": Entry(
        Kind.UNAVAILABLE,
        "The program that serves {model} did not answer /v1/models within {seconds:g} s; its last words: {said}",
        "It is started again; see that it listens on 127.0.0.1 at {{port}} and serves the OpenAI API under /v1.",
        "服务 {model} 的程序在 {seconds:g} 秒内未响应 /v1/models；最后输出：{said}",
        "程序将重新启动；请确认它监听 127.0.0.1 的 {{port}} 端口，并在 /v1 下提供 OpenAI API。",
    ),
}

_REQUESTS: dict[str, Entry] = {
    "upstream_unreachable": Entry(
        Kind.UNAVAILABLE,
        "The server behind {model} cannot be reached: {reason}.",
        "Send the request again in a moment. Its address is the `source` of {model}; see that it runs and may be"
        " reached from here.",
        "无法连接 {model} 背后的服务器：{reason}。",
        "请稍后重试。其地址是 {model} 的 `source`；请确认它正在运行且可从本机访问。",
    ),
    "upstream_unhealthy": Entry(
        Kind.UNAVAILABLE,
        "The server behind {model} answers its health check with status {status}.",
        "Send the request again later; that server's own log says what it lacks.",
        "{model} 背后的服务器对健康检查返回状态码 {status}。",
        "请稍后重试；原因见该服务器自己的日志。",
    ),
    "upstream_empty": Entry(
        Kind.UNAVAILABLE,
        "The server behind {model} lists no model: it is loading, or has none.",
        "Send the request again in a moment; if it stays so, that server's own log says why.",
        "{model} 背后的服务器没有列出任何模型：正在加载，或没有模型。",
        "请稍后重试；若一直如此，原因见该服务器自己的日志。",
    ),
    "upstream_slow": Entry(
        Kind.TIMEOUT,
        "The server behind {model} sent nothing for {seconds:g} s.",
        "Send it again later or ask for less; `limits: {{deadline_s}}` of {model} sets the time.",
        "{model} 背后的服务器在 {seconds:g} 秒内没有发送任何内容。",
        "请稍后重试或减少请求量；该时间由 {model} 的 `limits: {{deadline_s}}` 设定。",
    ),
    "upstream_cut": Entry(
        Kind.UPSTREAM,
        "The server behind {model} broke off: {reason}.",
        "Send the request again; if it happens again, that server's own log says why.",
        "{model} 背后的服务器中断了响应：{reason}。",
        "请重新发送请求；若再次发生，原因见该服务器自己的日志。",
    ),
    "upstream_garbage": Entry(
        Kind.UPSTREAM,
        "The server behind {model} does not speak the OpenAI API: {reason}.",
        "See that the `source` of {model} is that API's address, mostly with /v1 at its end.",
        "{model} 背后的服务器不是 OpenAI API：{reason}。",
        "请确认 {model} 的 `source` 是该 API 的地址，通常以 /v1 结尾。",
    ),
    "upstream_key_refused": Entry(
        Kind.UPSTREAM,
        "The server behind {model} refuses the key that it is asked with (status {status}).",
        "Set its `key` in the configuration of {model}; the callers' own keys are never passed on.",
        "{model} 背后的服务器拒绝了所用的密钥（状态码 {status}）。",
        "请在 {model} 的配置中设置它的 `key`；调用方自己的密钥不会被转发。",
    ),
    "upstream_key_missing": Entry(
        Kind.UPSTREAM,
        "The key for the server behind {model} is not at hand: {reason}",
        "{remedy}",
        "无法取得 {model} 背后服务器的密钥：{reason}",
        "{remedy}",
    ),
    "upstream_model_unknown": Entry(
        Kind.UPSTREAM,
        "The server behind {model} knows no model of that name; it has: {known}.",
        "Set `upstream_model` of {model} to one of these.",
        "{model} 背后的服务器没有同名模型；它有：{known}。",
        "请将 {model} 的 `upstream_model` 设为其中之一。",
    ),
    "model_not_named": Entry(
        Kind.INVALID,
        "The request names no model.",
        "Send a JSON object (`Content-Type: application/json`), or a form, with the field `model`: one of {served}.",
        "请求未指定模型。",
        "请发送带有 `model` 字段的 JSON 对象（`Content-Type: application/json`）或表单，可选：{served}。",
    ),
    "path_not_local": Entry(
        Kind.UNSUPPORTED,
        "{model} runs in Freehold itself, which does not answer {path} in this form.",
        "Use the path of its kind (/v1/models lists them), or a model behind another server.",
        "{model} 在 Freehold 内运行，不支持以这种形式访问 {path}。",
        "请使用与其类型对应的路径（见 /v1/models），或使用其他服务器上的模型。",
    ),
    "model_elsewhere": Entry(
        Kind.UNSUPPORTED,
        "{model} is computed by another server, to which this path is not passed on.",
        "Use the OpenAI paths for it: /v1/chat/completions, /v1/embeddings, /v1/rerank, /v1/audio, /v1/images.",
        "{model} 由另一台服务器计算，此路径不会转发。",
        "请使用 OpenAI 路径：/v1/chat/completions、/v1/embeddings、/v1/rerank、/v1/audio、/v1/images。",
    ),
}

ENTRIES: dict[str, Entry] = {**_CONFIG, **_START, **_REQUESTS}
