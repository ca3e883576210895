"""Errors of loading and running a model."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "graph_missing": Entry(
        Kind.NOT_FOUND,
        "There is no ONNX file at {path}.",
        "Check the path; inside a container it is the path on the container's side of the mount.",
        "{path} 处没有 ONNX 文件。",
        "请检查路径；在容器内应使用挂载后的容器侧路径。",
    ),
    "graph_invalid": Entry(
        Kind.INVALID,
        "{path} cannot be loaded as an ONNX model: {reason}.",
        "Copy the file again (an `.onnx.data` file belongs beside it), or export it again; check it with `freehold verify`.",
        "{path} 无法作为 ONNX 模型加载：{reason}。",
        "请重新复制文件（`.onnx.data` 要放在同一目录）或重新导出；可用 `freehold verify` 检查。",
    ),
    "graph_type_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{path}: {name} has the type {type}, which the Open Inference Protocol cannot carry.",
        "Export the model with tensors as inputs and outputs (no sequences, maps or optionals).",
        "{path}：{name} 的类型为 {type}，开放推理协议无法传输。",
        "请导出以张量为输入输出的模型（不含 sequence、map、optional）。",
    ),
    "device_type_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{path}: {name} has the type {type}, which device {device} cannot compute.",
        "Set `device: cpu` for this model.",
        "{path}：{name} 的类型为 {type}，设备 {device} 无法计算。",
        "请为该模型设置 `device: cpu`。",
    ),
    "input_shape_mismatch": Entry(
        Kind.INVALID,
        "input_shape {configured} does not fit the graph: its input {name} is {graph}.",
        "Set `input_shape` to the graph's rank and static dimensions (-1 where it is free), or remove the line.",
        "input_shape {configured} 与模型不符：输入 {name} 的形状为 {graph}。",
        "请按模型的维数和固定维度填写 `input_shape`（可变处用 -1），或删除该行。",
    ),
    "device_not_granted": Entry(
        Kind.UNAVAILABLE,
        "{model} was asked to run on {asked}, and the runtime gave {granted}.",
        "Install the runtime and driver for {asked} (see `freehold explain device_not_granted` in the docs), or set"
        " `device: cpu`. Freehold never falls back silently.",
        "{model} 要求运行在 {asked}，而运行时实际提供 {granted}。",
        "请安装 {asked} 所需的运行时与驱动（见文档），或设置 `device: cpu`。Freehold 不会静默降级。",
    ),
    "runtime_missing": Entry(
        Kind.UNAVAILABLE,
        "{what} needs the package {package}, which is not installed here.",
        "Install it: pip install '{package}'.",
        "{what} 需要软件包 {package}，当前环境未安装。",
        "请安装：pip install '{package}'。",
    ),
    "precision_unavailable": Entry(
        Kind.UNSUPPORTED,
        "precision {precision} is not available on device {device} here: {reason}.",
        "Use `precision: auto` (takes it only where it is safe and faster) or `precision: fp32`.",
        "此处的设备 {device} 不支持精度 {precision}：{reason}。",
        "请使用 `precision: auto`（仅在安全且更快时采用）或 `precision: fp32`。",
    ),
    "tokenizer_unreadable": Entry(
        Kind.INVALID,
        "{path} is not a usable tokenizer: {reason}.",
        "Copy the model folder's `tokenizer.json` again; a folder with only `vocab.txt` or `*.model` needs one"
        " (save the fast tokenizer with transformers).",
        "{path} 不是可用的分词器：{reason}。",
        "请重新复制 `tokenizer.json`；仅有 `vocab.txt` 或 `*.model` 的目录需先用 transformers 保存快速分词器。",
    ),
    "token_out_of_range": Entry(
        Kind.INVALID,
        "The token id {token} at position {position} is outside this model's vocabulary (0..{last}).",
        "Send text, or ids made with this model's own tokenizer (`/tokenize` gives them).",
        "位置 {position} 的 token id {token} 超出该模型词表（0..{last}）。",
        "请直接发送文本，或使用该模型自己的分词器生成的 id（见 `/tokenize`）。",
    ),
    "input_empty": Entry(
        Kind.INVALID,
        "The input {name} is empty.",
        "Send at least one text (a blank text is allowed, an empty list is not).",
        "输入 {name} 为空。",
        "请至少发送一条文本（允许空白文本，不允许空列表）。",
    ),
    "inference_failed": Entry(
        Kind.INVALID,
        "The model's graph refused these inputs: {reason}.",
        "Check shapes and value ranges against the model's metadata (/v2/models/NAME).",
        "模型计算图拒绝了这些输入：{reason}。",
        "请对照模型元数据（/v2/models/NAME）检查形状与取值范围。",
    ),
    "deadline_exceeded": Entry(
        Kind.OVERLOADED,
        "The request waited {waited_s:.1f} s and its turn did not come within its deadline of {deadline_s:.0f} s.",
        "Retry later, send fewer parallel requests, or add a replica; `limits: {{deadline_s}}` sets the bound.",
        "请求已等待 {waited_s:.1f} 秒，未能在 {deadline_s:.0f} 秒期限内开始。",
        "请稍后重试、减少并发或增加副本；`limits: {{deadline_s}}` 可调整期限。",
    ),
    "shutting_down": Entry(
        Kind.UNAVAILABLE,
        "This server is shutting down and did not begin the request.",
        "Send it again: another replica, or this one after its restart, answers it.",
        "服务器正在关闭，尚未开始处理该请求。",
        "请重新发送：其他副本或重启后的服务会处理。",
    ),
    "engine_lost": Entry(
        Kind.UNAVAILABLE,
        "The engine process of {model} stopped while it worked on the request.",
        "Send the request again; the process is being restarted. See the log for the cause (often memory).",
        "{model} 的引擎进程在处理请求时退出。",
        "请重新发送请求；进程正在重启。原因见日志（常为内存不足）。",
    ),
    "engine_not_started": Entry(
        Kind.UNAVAILABLE,
        "An engine process of {model} ended with status {status} while it loaded the model.",
        "See its last lines in the log. Status -9 is a kill, most often for memory: give the process more, or lower"
        " `workers`.",
        "{model} 的引擎进程在加载模型时退出，状态为 {status}。",
        "请查看日志末尾。状态 -9 表示被终止，多因内存不足：请增加内存，或减少 `workers`。",
    ),
    "frame_too_long": Entry(
        Kind.TOO_LARGE,
        "The request or its answer is {megabytes} MB long, and at most {limit} MB pass between server and engine process.",
        "Send it in smaller parts, or serve the model without `workers`.",
        "请求或其结果为 {megabytes} MB，服务器与引擎进程之间最多传输 {limit} MB。",
        "请拆分后发送，或去掉该模型的 `workers`。",
    ),
}
