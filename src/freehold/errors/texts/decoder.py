"""Errors of writing decoder graphs."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "decoder_option_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{path} sets {option} to {value}; decoder graphs are written for {known}.",
        "Serve this model with `engine: vllm`, which knows more variants.",
        "{path} 中 {option} 为 {value}；解码器计算图支持：{known}。",
        "请用 `engine: vllm` 服务该模型，它支持更多变体。",
    ),
    "graph_precision_unknown": Entry(
        Kind.INVALID,
        "The model in {path} is asked for in {precision}; for this {kind} there is {known}.",
        "Set `precision` to one of {known}. int8, int4, w8a8 and fast are profiles of decoders alone, bf16 of all other models.",
        "{path} 中的模型要求 {precision} 精度；该 {kind} 可用：{known}。",
        "请将 `precision` 设为以下之一：{known}。int8、int4、w8a8 与 fast 仅用于解码器，bf16 用于其他模型。",
    ),
}
