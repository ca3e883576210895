"""Errors of generating text."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "context_overflow": Entry(
        Kind.INVALID,
        "The prompt's {prompt} tokens and {asked} tokens of answer exceed this model's context of {context} tokens.",
        "Shorten the prompt, or set `max_tokens` so that both together are at most {context}.",
        "提示词的 {prompt} 个 token 加上回答的 {asked} 个 token 超过了该模型 {context} 个 token 的上下文长度。",
        "请缩短提示词，或减小 `max_tokens`，使两者之和不超过 {context}。",
    ),
    "answer_too_long": Entry(
        Kind.INVALID,
        "max_tokens {asked} is above this model's ceiling of {ceiling}.",
        "Ask for at most {ceiling} tokens; the ceiling is `max_output_tokens` of the model's configuration.",
        "max_tokens {asked} 超过了该模型的上限 {ceiling}。",
        "请求的 token 数不要超过 {ceiling}；上限由模型配置的 `max_output_tokens` 决定。",
    ),
    "answer_too_short": Entry(
        Kind.INVALID,
        "max_tokens is {asked}; an answer has at least one token.",
        "Set `max_tokens` to 1 or more, or leave it out.",
        "max_tokens 为 {asked}；回答至少包含一个 token。",
        "请把 `max_tokens` 设为 1 或更大，或省略该字段。",
    ),
    "kv_memory_taken": Entry(
        Kind.UNAVAILABLE,
        "A check of {model} needs key-value memory for {needed} tokens, and answers that run leave {free} now.",
        "Check again when it is less busy, or load the model a second time: `freehold verify` does.",
        "对 {model} 的检查需要可容纳 {needed} 个 token 的键值缓存，而正在生成的回答目前只剩 {free} 个。",
        "请在较空闲时重试，或另行加载该模型进行检查（`freehold verify` 即如此）。",
    ),
    "kv_memory_refused": Entry(
        Kind.UNAVAILABLE,
        "The system refused {size_mb} MiB of address space for keys and values ({call}: {reason}).",
        "Lower `context_length` or `generation.slots`, or lift the limit (`ulimit -v`, `ulimit -f`,"
        " vm.overcommit_memory).",
        "系统拒绝为键值缓存分配 {size_mb} MiB 地址空间（{call}：{reason}）。",
        "请减小 `context_length` 或 `generation.slots`，或放宽限制（`ulimit -v`、`ulimit -f`、vm.overcommit_memory）。",
    ),
    "kv_memory_short": Entry(
        Kind.UNAVAILABLE,
        "{model}: {kv_mb} MiB hold the keys and values of {tokens} tokens, too few for any answer.",
        "Set `generation.kv_mb` to at least {needed_mb}, or give the machine more memory.",
        "{model}：{kv_mb} MiB 只能容纳 {tokens} 个 token 的键值缓存，不足以生成任何回答。",
        "请把 `generation.kv_mb` 设为至少 {needed_mb}，或增加内存。",
    ),
    "engine_stopped": Entry(
        Kind.UNAVAILABLE,
        "The engine of {model} failed while it was answering: {reason}.",
        "Send the request again: the engine goes on with fresh memory. If it happens again, the log has the trace.",
        "{model} 的引擎在生成回答时出错：{reason}。",
        "请重新发送请求：引擎已用新的内存继续运行。若再次发生，请查看日志中的堆栈信息。",
    ),
    "decoder_device_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{model} is a decoder, and device {device} cannot run one here: the graphs of text generation are for processors.",
        "Set `device: cpu`, or let vLLM run it on the GPU with `engine: vllm` and `gpus: 1`.",
        "{model} 是解码器模型，此处的设备 {device} 无法运行：文本生成的计算图面向 CPU。",
        "请设置 `device: cpu`，或用 `engine: vllm` 与 `gpus: 1` 交给 vLLM 在 GPU 上运行。",
    ),
    "workers_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{model} generates text, which one process computes for all its answers; `workers: {workers}` is for other kinds.",
        "Remove `workers`: all cores compute every step, and `generation.slots` says how many answers share one.",
        "{model} 用于生成文本，所有回答都由同一进程计算；`workers: {workers}` 只适用于其他类型。",
        "请删除 `workers`：每一步都会使用全部核心，`generation.slots` 决定同时生成的回答数。",
    ),
    "decoder_manifest_invalid": Entry(
        Kind.INVALID,
        "{path} is of kind generate, and its manifest does not say how its key-value buffer is laid out, or for how"
        " many positions.",
        "Write the artifact again: `freehold convert` of its model folder.",
        "{path} 的类型为 generate，但清单未说明键值缓存的布局或位置数。",
        "请用 `freehold convert` 从模型目录重新生成该产物。",
    ),
}
