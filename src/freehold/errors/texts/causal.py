"""Errors of decoders that embed or score texts."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "pooling_unknown": Entry(
        Kind.INVALID,
        "{path} does not say how the states of tokens become one embedding: it has no modules.json.",
        "Copy modules.json and the folders that it names (1_Pooling) from where the model comes from.",
        "{path} 未说明如何由各 token 的状态得到一个向量：缺少 modules.json。",
        "请从模型来源处复制 modules.json 及其所列的文件夹（1_Pooling）。",
    ),
    "scoring_unknown": Entry(
        Kind.INVALID,
        "{path} does not say by which tokens {architecture} scores a pair; without that only {known} is known.",
        "Copy modules.json and 1_LogitScore from where the model comes from (sentence-transformers writes them from 5.4 on).",
        "{path} 未说明 {architecture} 以哪些 token 为文本对打分；缺少该信息时仅支持 {known}。",
        "请从模型来源处复制 modules.json 与 1_LogitScore（sentence-transformers 5.4 起会写出）。",
    ),
    "text_without_tokens": Entry(
        Kind.INVALID,
        "Text {place} of the request (counted from 0) is empty, and {model} adds no token of its own that it could answer for.",
        "Leave empty texts out for this model, or send a space.",
        "请求中第 {place} 个文本（从 0 起）为空，而 {model} 不会自行添加任何 token，因此无从作答。",
        "对该模型请勿发送空文本，或改为发送一个空格。",
    ),
    "token_unknown": Entry(
        Kind.INVALID,
        "{path} has no token {token!r}, by which a reranker of this kind answers.",
        "Is it a reranker? If so, copy the 1_LogitScore folder and modules.json that name its tokens; else leave `kind: rerank` out.",
        "{path} 中没有 {token!r} 这个 token，而此类重排模型正是用它作答。",
        "它是重排模型吗？若是，请复制给出其 token 的 modules.json 与 1_LogitScore 文件夹；否则请去掉 `kind: rerank`。",
    ),
}
