"""Errors of drawing tokens and of constraints on them."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "logits_invalid": Entry(
        Kind.INTERNAL,
        "The model's best score for the next token is {value}, which is no number to choose by.",
        "Check the model with `freehold verify`; a quantized one may overflow on this text: try `precision: fp32`.",
        "模型给出的下一个词元最高分为 {value}，无法据此选择。",
        "请用 `freehold verify` 检查模型；量化模型可能在该文本上溢出，可尝试 `precision: fp32`。",
    ),
    "logit_bias_out_of_range": Entry(
        Kind.INVALID,
        "logit_bias names token {token}; this model's tokens go from 0 to {last}.",
        "Use ids of this model's tokenizer: `POST /tokenize` shows them.",
        "logit_bias 中的词元 {token} 超出范围；该模型的词元编号为 0 到 {last}。",
        "请使用该模型分词器的编号，可通过 `POST /tokenize` 查看。",
    ),
    "constraint_invalid": Entry(
        Kind.INVALID,
        "The {kind} that the answer must follow cannot be used: {reason}.",
        "Correct it, or leave out the keyword that is named: nothing of a constraint is ignored silently.",
        "回答须遵循的 {kind} 无法使用：{reason}。",
        "请修正，或去掉所指出的关键字：约束的任何部分都不会被静默忽略。",
    ),
    "constraint_too_complex": Entry(
        Kind.INVALID,
        "The constraint on the answer is too complex to follow: {reason}.",
        "Simplify it: fewer definitions that refer to one another, smaller repetition counts, fewer alternatives.",
        "对回答的约束过于复杂，无法执行：{reason}。",
        "请简化：减少相互引用的定义，减小重复次数，减少可选分支。",
    ),
    "constraint_unsatisfied": Entry(
        Kind.INTERNAL,
        "Under its constraint the answer can neither go on nor end: no token of the model is left.",
        "Widen the constraint; a `logit_bias` must not work against it, and the tokenizer must be able to write its text.",
        "在约束之下，回答既不能继续也不能结束：没有可用的词元。",
        "请放宽约束；`logit_bias` 不应与约束冲突，且分词器须能表示约束所要求的文本。",
    ),
    "constraint_unsupported": Entry(
        Kind.UNSUPPORTED,
        "This model's answers cannot be held to JSON, a schema or a grammar: {reason}.",
        "Ask without `response_format`, or serve the model with a tokenizer.json of byte-level BPE or SentencePiece form"
        " and with `eos_token_id` in its config.json.",
        "该模型的回答无法限定为 JSON、模式或文法：{reason}。",
        "请求中去掉 `response_format`，或为模型提供字节级 BPE 或 SentencePiece 形式的 tokenizer.json，并在 config.json 中给出 `eos_token_id`。",
    ),
}
