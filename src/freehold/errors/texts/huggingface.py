"""Errors of the Hugging Face door."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "architecture_generates": Entry(
        Kind.UNSUPPORTED,
        "{path} is {architecture}, which writes text; the graphs for that are known of {known}.",
        "Serve this folder with `engine: vllm` in freehold.yaml. Use --kind embed or --kind tensor only for models without a language head.",
        "{path} 的架构为 {architecture}，用于生成文本；已知可生成其计算图的架构有：{known}。",
        "请在 freehold.yaml 中以 `engine: vllm` 服务该目录。--kind embed 与 --kind tensor 仅适用于没有语言模型头的模型。",
    ),
    "architecture_not_exported": Entry(
        Kind.UNSUPPORTED,
        "{path} is {architecture}; what is exported ends in one of {known}.",
        "Export this model to ONNX with a script of your own and give the .onnx file to `freehold convert`, or save the part that you need as one of these.",
        "{path} 的架构为 {architecture}；可导出的架构名以下列之一结尾：{known}。",
        "请用自己的脚本将该模型导出为 ONNX，再把 .onnx 文件交给 `freehold convert`；或将所需部分另存为上述之一。",
    ),
    "kind_unsuitable": Entry(
        Kind.INVALID,
        "{path} is {architecture}, which cannot become kind {kind}.",
        "Leave --kind out, or give {suits}.",
        "{path} 的架构为 {architecture}，无法转换为 {kind} 类型。",
        "请省略 --kind，或改为 {suits}。",
    ),
    "code_not_trusted": Entry(
        Kind.FORBIDDEN,
        "{path} is only understood by Python code that it brings itself (auto_map in config.json), and nothing of it was run.",
        "Look for a version of the model that transformers knows without code. Or read that code and, if you trust it, repeat with --trust-code: it then runs in a process without network and with a read-only view of the source.",
        "{path} 只能由其自带的 Python 代码（config.json 中的 auto_map）解释；这些代码均未运行。",
        "请寻找 transformers 无需代码即可识别的版本。或者先审阅这些代码，确认可信后加上 --trust-code 重试：代码将在无网络、只读访问源文件的进程中运行。",
    ),
    "transformers_lacks_model": Entry(
        Kind.UNSUPPORTED,
        "transformers {version} cannot load {path}: {reason}",
        "Install the version of transformers that config.json names (transformers_version), or a newer one, and repeat.",
        "transformers {version} 无法加载 {path}：{reason}",
        "请安装 config.json 中 transformers_version 所示或更新的 transformers 版本后重试。",
    ),
    "weights_incomplete": Entry(
        Kind.INVALID,
        "{count} tensors that {loaded} needs are not among the weights in {path}: {names}. transformers would fill them at random.",
        "Give the folder of a model that was trained with this head, or copy the missing shards.",
        "{path} 的权重中缺少 {loaded} 所需的 {count} 个张量：{names}。transformers 会以随机值填充它们。",
        "请提供带有该任务头并经过训练的模型目录，或补齐缺失的分片。",
    ),
    "tokenizer_not_converted": Entry(
        Kind.UNSUPPORTED,
        "{path} has no tokenizer.json, and transformers could not make one of its other files: {reason}",
        "Write it once where the model's own tokenizer loads (SentencePiece files need `pip install sentencepiece tiktoken protobuf`): AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER), then repeat.",
        "{path} 中没有 tokenizer.json，transformers 也无法由其他文件生成：{reason}",
        "请在能加载该分词器的环境中生成一次（SentencePiece 文件需要 `pip install sentencepiece tiktoken protobuf`）：AutoTokenizer.from_pretrained(目录).save_pretrained(目录)，然后重试。",
    ),
    "image_size_unknown": Entry(
        Kind.INVALID,
        "Neither config.json nor preprocessor_config.json in {path} says how large an image is.",
        "Give it: --input-shape 1,{channels},224,224",
        "{path} 的 config.json 与 preprocessor_config.json 均未说明图像大小。",
        "请指定：--input-shape 1,{channels},224,224",
    ),
    "image_shape_unsuitable": Entry(
        Kind.INVALID,
        "--input-shape {asked} does not suit the images that {path} reads: {needed} (-1: any size).",
        "Give one shape, [batch, channels, height, width], or leave it out.",
        "--input-shape {asked} 与 {path} 读取的图像不符：{needed}（-1 表示任意大小）。",
        "请给出一个形状 [批次, 通道, 高, 宽]，或省略该参数。",
    ),
    "labels_unequal": Entry(
        Kind.INVALID,
        "config.json in {path} names {labels} labels, and the model gives {width} values.",
        "config.json and weights are not of one model: copy both again from one place.",
        "{path} 的 config.json 列出 {labels} 个标签，而模型输出 {width} 个值。",
        "config.json 与权重不属于同一模型：请从同一来源重新复制两者。",
    ),
    "padding_not_masked": Entry(
        Kind.UNSUPPORTED,
        "The exported graph of {architecture} answers otherwise when a text is padded beside longer ones: {found}.",
        "This model looks at padding, so its texts cannot share a batch. Export it yourself with a batch of 1 and serve the .onnx file as a tensor model.",
        "{architecture} 导出的计算图在文本被填充、与更长文本同批时结果不同：{found}。",
        "该模型会读取填充内容，其文本无法同批处理。请自行以批次 1 导出，并将 .onnx 文件作为张量模型提供服务。",
    ),
}
