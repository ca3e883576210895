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
