"""Errors of parity reports and traces."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "graphs_differ": Entry(
        Kind.INVALID,
        "{model} does not compute what {reference} computes: they part at node {node} ({op} of {about}),"
        " tensor {tensor}: max abs {max_abs:.3g}, cosine {cosine:.7f} (allowed {allowed}).",
        "What goes into that node agrees: compare its weights, its attributes and how it was quantized. The report of"
        " --html FILE shows how the difference grows behind it.",
        "{model} 与 {reference} 的计算结果不一致：从节点 {node}（{op}，{about}）的张量 {tensor} 开始分歧：最大绝对差 {max_abs:.3g}，"
        "余弦 {cosine:.7f}（允许 {allowed}）。",
        "该节点的输入是一致的：请比较其权重、属性和量化方式。--html FILE 生成的报告显示其后误差如何增长。",
    ),
    "trace_inputs_unsuited": Entry(
        Kind.INVALID,
        "The graph takes the input {wanted}, for which the recorded cases have nothing: they have {given}.",
        "Compare graphs that take the same inputs, or record goldens of this model: `freehold golden record REF`.",
        "该模型需要输入 {wanted}，而录制的用例中没有：用例中有 {given}。",
        "请比较输入相同的模型，或为该模型录制 golden：`freehold golden record REF`。",
    ),
    "trace_no_cases": Entry(
        Kind.NOT_FOUND,
        "There is no recorded case of {path} or of what it is compared with, so there is nothing to feed them.",
        "Record some: `freehold golden record REF`.",
        "{path} 及其比较对象都没有录制的用例，因此没有可用的输入。",
        "请先录制：`freehold golden record REF`。",
    ),
    "trace_no_modules": Entry(
        Kind.UNSUPPORTED,
        "The raw model is a {kind}, which does not show its modules.",
        "Convert from the Python class and a state dict, or from a Hugging Face folder, to have modules compared.",
        "原始模型是 {kind}，无法看到其中的模块。",
        "若要逐模块比较，请从 Python 类加 state dict 或 Hugging Face 目录转换。",
    ),
    "trace_no_class": Entry(
        Kind.UNSUPPORTED,
        "{path} was saved by the class {architecture}, which this version of transformers does not have.",
        "Install the version of transformers that has it, or, where the folder brings the class, add --trust-code.",
        "{path} 由类 {architecture} 保存，而当前版本的 transformers 中没有该类。",
        "请安装包含该类的 transformers 版本；若目录自带该类，请加 --trust-code。",
    ),
}
