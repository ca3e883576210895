"""Errors of `freehold dify check`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "dify_check_key_literal": Entry(
        Kind.INVALID,
        "--key holds the key itself: arguments are seen by every user of this machine, and stay in the shell's history.",
        "Put it into a variable and write --key '${{env:NAME}}', in single quotes, or into a file for --key-file FILE.",
        "--key 中直接写了密钥：命令行参数对本机所有用户可见，并会留在 shell 历史中。",
        "请将其放入环境变量并写作 --key '${{env:NAME}}'（用单引号），或放入文件并使用 --key-file FILE。",
    ),
    "dify_check_url_invalid": Entry(
        Kind.INVALID,
        "{url} is not the base address of a server.",
        "Write it as in Dify: http://HOST:PORT/v1, without a user, a query or a key in it.",
        "{url} 不是服务器的基础地址。",
        "请按 Dify 中的写法填写：http://HOST:PORT/v1，不含用户名、查询参数或密钥。",
    ),
    "dify_check_url_wanted": Entry(
        Kind.INVALID,
        "No URL is given, and there is no configuration here that says where the models are.",
        "Name the server: freehold dify check http://HOST:PORT/v1; or run it where freehold.yaml is.",
        "未给出 URL，且此处没有说明模型位置的配置。",
        "请指定服务器：freehold dify check http://HOST:PORT/v1；或在 freehold.yaml 所在目录运行。",
    ),
    "note_dify_check": Entry(
        Kind.UPSTREAM,
        "Dify's plugin makes these calls at `dify.models_url` when a model is added and when it is used.",
        "See `freehold dify check`, which shows what was sent and what came back.",
        "添加和使用模型时，Dify 的插件会在 `dify.models_url` 上执行这些调用。",
        "请查看 `freehold dify check`，它会显示发送与收到的内容。",
    ),
}
