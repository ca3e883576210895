"""Errors of quantization."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "quantize_already": Entry(
        Kind.INVALID,
        "{path} is quantized already: {found}.",
        "Quantize its parent instead; of one in the store, `freehold models lineage NAME:TAG` shows which that is.",
        "{path} 已经量化过：{found}。",
        "请改为量化它的父制品；若它在仓库中，`freehold models lineage NAME:TAG` 会显示是哪一个。",
    ),
    "quantize_nothing": Entry(
        Kind.INVALID,
        "{path} has no weights that can be quantized: {found}.",
        "Wanted are MatMul, Gemm or Conv nodes with 256 or more constant float32 weights, or tables of 16384 or more that"
        " Gather reads; of fewer nothing is saved. Convert the model in float32, or keep fewer of its weights.",
        "{path} 中没有可量化的权重：{found}。",
        "需要至少带有 256 个常量 float32 权重的 MatMul、Gemm 或 Conv 节点，或由 Gather 读取的至少 16384 个元素的表；更小则无从节省。"
        "请以 float32 转换模型，或减少要保留的权重。",
    ),
    "quantize_opset_old": Entry(
        Kind.INVALID,
        "{path} is written in opset {opset}; this form of quantization needs {least} or later.",
        "Convert the model again with --opset 20, or take --to int8 --method dynamic.",
        "{path} 使用 opset {opset}；此量化形式需要 {least} 或更高版本。",
        "请用 --opset 20 重新转换模型，或改用 --to int8 --method dynamic。",
    ),
    "quantize_method_unsuited": Entry(
        Kind.INVALID,
        "The method {method} does not make {to} of a model of kind {kind}.",
        "Take --method {known}, or leave it out.",
        "方法 {method} 无法把 {kind} 类模型量化为 {to}。",
        "请使用 --method {known}，或不指定。",
    ),
    "quantize_metric_unsuited": Entry(
        Kind.INVALID,
        "The metric {metric} cannot be measured with these examples and this kind of model; {known} can.",
        "Take --metric {known}; for accuracy every line of --evaluation needs what is expected (`label` or `expected`).",
        "用这些样例和这类模型无法测量指标 {metric}；可测量的有 {known}。",
        "请使用 --metric {known}；若要 accuracy，--evaluation 的每一行都需要预期结果（`label` 或 `expected`）。",
    ),
    "quantize_keep_unknown": Entry(
        Kind.INVALID,
        "No weight matches --keep {pattern}; the graph has {count} that can be quantized.",
        "Did you mean {closest}? The report of a run without --keep names them all.",
        "没有权重匹配 --keep {pattern}；图中共有 {count} 个可量化的权重。",
        "您是指 {closest} 吗？不带 --keep 运行一次，报告会列出全部名称。",
    ),
    "quantize_data_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}.",
        "Give the path of a file with one JSON object a line.",
        "无法读取 {path}：{reason}。",
        "请给出每行一个 JSON 对象的文件路径。",
    ),
    "quantize_data_empty": Entry(
        Kind.INVALID,
        "{path} has no examples.",
        "Write one JSON object a line: {form}.",
        "{path} 中没有样例。",
        "请每行写一个 JSON 对象：{form}。",
    ),
    "quantize_data_broken": Entry(
        Kind.INVALID,
        "{path}: {count} lines cannot be used. {lines}.",
        "Correct or remove these lines; each is one JSON object: {form}.",
        "{path}：有 {count} 行无法使用。{lines}。",
        "请更正或删除这些行；每行是一个 JSON 对象：{form}。",
    ),
    "quantize_disk_full": Entry(
        Kind.UNAVAILABLE,
        "Quantizing needs {needed} MB in {path}, and {free} MB are free. Nothing was changed.",
        "Free some space there, or set FREEHOLD_HOME to a disk that has it.",
        "量化需要在 {path} 中使用 {needed} MB，而可用空间为 {free} MB。未做任何更改。",
        "请在该处释放空间，或将 FREEHOLD_HOME 设到有空间的磁盘。",
    ),
    "quantize_quality_unreached": Entry(
        Kind.INVALID,
        "No mix of precisions reaches {metric} {wanted}: the best, with {kept} of {groups} groups of weights kept in more"
        " bits, is {best}. Nothing was added to the store.",
        "Ask for --min-quality {best} or less, take --to int8 --method nbits, or calibrate with examples of your own.",
        "任何精度组合都达不到 {metric} {wanted}：{groups} 组权重中有 {kept} 组保留更多位数时最好，为 {best}。仓库未作任何更改。",
        "请把 --min-quality 设为 {best} 或更低，改用 --to int8 --method nbits，或用自己的样例校准。",
    ),
    "quantize_proof_failed": Entry(
        Kind.INVALID,
        "{name}, quantized, does not compute what was recorded: {reason}",
        "Keep more of its weights (--keep, --min-quality), or take another method. Nothing was added to the store.",
        "{name} 量化后的计算结果与录制的不符：{reason}",
        "请保留更多权重（--keep、--min-quality），或改用其他方法。仓库未作任何更改。",
    ),
    "quantize_unwritable": Entry(
        Kind.UNAVAILABLE,
        "The artifact cannot be written to {path}: {reason}.",
        "Give --output a folder that this user may write, or leave it out: the store keeps it then.",
        "无法将制品写入 {path}：{reason}。",
        "请为 --output 指定当前用户可写的目录，或省略它：制品将保存到存储中。",
    ),
    "quantize_output_exists": Entry(
        Kind.CONFLICT,
        "{path} exists already.",
        "Name a folder that does not exist, or remove that one.",
        "{path} 已存在。",
        "请指定一个不存在的文件夹，或先将其删除。",
    ),
}
