"""Errors of the set of models that a server holds."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "model_not_found": Entry(
        Kind.NOT_FOUND,
        "There is no model {model} here.",
        "Ask for one of: {served}.",
        "此处没有模型 {model}。",
        "可用的模型：{served}。",
    ),
    "model_ambiguous": Entry(
        Kind.INVALID,
        "The request names no model, and this server has {count} of kind {kind}.",
        "Name one of: {served}.",
        "请求未指定模型，而此服务器有 {count} 个 {kind} 类型的模型。",
        "请指定其中之一：{served}。",
    ),
    "model_loading": Entry(
        Kind.UNAVAILABLE,
        "{model} is still loading.",
        "Wait until /readyz answers 200, then send it again.",
        "{model} 正在加载。",
        "请等待 /readyz 返回 200 后重新发送。",
    ),
    "model_failed": Entry(
        Kind.UNAVAILABLE,
        "{model} could not be loaded: {reason}",
        "{remedy}",
        "{model} 加载失败：{reason}",
        "{remedy}",
    ),
    "model_asleep": Entry(
        Kind.UNAVAILABLE,
        "{model} is not in memory: {why}.",
        "The next request loads it, and waits for that. `keep_alive` and `pin` say how long it stays.",
        "{model} 不在内存中：{why}。",
        "下一个请求会加载它，并等待加载完成。保留时间由 `keep_alive` 与 `pin` 决定。",
    ),
    "model_unloaded": Entry(
        Kind.UNAVAILABLE,
        "{model} was unloaded.",
        "Load it again: freehold load {model}",
        "{model} 已被卸载。",
        "重新加载：freehold load {model}",
    ),
    "model_not_replaced": Entry(
        Kind.CONFLICT,
        "{model} answers as before: what was to take its place could not be loaded: {reason}",
        "{remedy}",
        "{model} 仍按原样应答：用于替换它的模型加载失败：{reason}",
        "{remedy}",
    ),
    "load_too_slow": Entry(
        Kind.UNAVAILABLE,
        "{model} is being loaded, and was not ready within {wait_s} s.",
        "Send it again; `limits.deadline_s` is how long a request waits. `pin: true` keeps a model in memory.",
        "{model} 正在加载，{wait_s} 秒内未就绪。",
        "请重新发送；等待时间由 `limits.deadline_s` 决定。`pin: true` 可让模型常驻内存。",
    ),
    "models_memory_full": Entry(
        Kind.UNAVAILABLE,
        "{model} needs {needed} MiB, and of the {budget} MiB for models not enough can be freed: {held} are busy or"
        " pinned.",
        "Raise `limits.models_mb`, unload one of them, or pin fewer.",
        "{model} 需要 {needed} MiB，而模型可用的 {budget} MiB 中无法腾出足够空间：{held} 正忙或被固定。",
        "请提高 `limits.models_mb`，卸载其中之一，或减少固定的模型。",
    ),
    "folder_not_a_model": Entry(
        Kind.INVALID,
        "{path} holds none of manifest.json, config.json, model.onnx: it is not a model.",
        "Name the folder that holds the model's files. It has: {found}.",
        "{path} 中没有 manifest.json、config.json 或 model.onnx，不是模型目录。",
        "请指定包含模型文件的目录。该目录内有：{found}。",
    ),
    "nothing_loaded": Entry(
        Kind.UNAVAILABLE,
        "None of the models could be loaded: {models}.",
        "See the errors above; each names its cause and its fix.",
        "没有任何模型加载成功：{models}。",
        "请查看上面的错误，每条都说明了原因与解决办法。",
    ),
}
