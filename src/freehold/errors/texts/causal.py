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
    "token_unknown": Entry(
        Kind.INVALID,
        "{path} has no token {token!r}, by which a reranker of this kind answers.",
        "Is it a reranker? If so, copy the 1_LogitScore folder and modules.json that name its tokens; else leave `kind: rerank` out.",
        "{path} 中没有 {token!r} 这个 token，而此类重排模型正是用它作答。",
        "它是重排模型吗？若是，请复制给出其 token 的 modules.json 与 1_LogitScore 文件夹；否则请去掉 `kind: rerank`。",
    ),
}
