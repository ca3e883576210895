"""Errors of models that vLLM or another server runs in a deployment."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "vllm_only": Entry(
        Kind.INVALID,
        "{where}: `{key}` is for the command line of vLLM, and `{id}` is not started by it.",
        "Leave it out, or write `engine: vllm` without `command`.",
        "{where}：`{key}` 用于 vLLM 的命令行，而 `{id}` 并非由其启动。",
        "请删除该设置，或写 `engine: vllm` 且不写 `command`。",
    ),
    "vllm_source": Entry(
        Kind.INVALID,
        "{where}: `{id}` is the artifact {source} of the store, which only our own engines read.",
        "Name the model's folder, as it was published.",
        "{where}：`{id}` 为仓库中的模型 {source}，只有我们自己的引擎能读取。",
        "请指定该模型发布时的目录。",
    ),
}
