"""Errors of converting raw models, and the isolated processes that do it."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "isolated_failed": Entry(
        Kind.INVALID,
        "The isolated process failed: {error}",
        "The whole output of the framework is in {log}.",
        "隔离进程失败：{error}",
        "框架的完整输出见 {log}。",
    ),
    "isolated_died": Entry(
        Kind.INVALID,
        "The isolated process ended with {how}, and left no result. Its last words: {said}",
        "The whole output is in {log}. A signal that nobody sent is most often the end of the memory.",
        "隔离进程以 {how} 结束，未留下结果。最后的输出：{said}",
        "完整输出见 {log}。若并未有人发送该信号，多半是内存耗尽。",
    ),
    "isolated_timeout": Entry(
        Kind.INVALID,
        "The isolated process was stopped after {seconds:g} s.",
        "Give it more time with --timeout-s, or see in {log} what it was doing.",
        "隔离进程运行 {seconds:g} 秒后被终止。",
        "请用 --timeout-s 给予更多时间，或在 {log} 中查看其进度。",
    ),
    "isolated_cpu": Entry(
        Kind.INVALID,
        "The isolated process used up its {seconds} s of processor time.",
        "Give it more time with --timeout-s, or see in {log} what it was doing.",
        "隔离进程用尽了 {seconds} 秒的处理器时间。",
        "请用 --timeout-s 给予更多时间，或在 {log} 中查看其进度。",
    ),
    "isolated_memory": Entry(
        Kind.INVALID,
        "The isolated process wanted more than the {megabytes} MB of memory that it may have.",
        "Convert on a machine with more free memory: about three times the size of the weights is needed. Log: {log}",
        "隔离进程所需内存超过允许的 {megabytes} MB。",
        "请在空闲内存更大的机器上转换：约需权重大小的三倍。日志：{log}",
    ),
    "isolated_result_invalid": Entry(
        Kind.INVALID,
        "What the isolated process left is not what it should be: {reason}.",
        "Nothing of it was kept. If you trust the source, see {log}.",
        "隔离进程留下的内容不符合约定：{reason}。",
        "其内容均未保留。若信任该来源，请查看 {log}。",
    ),
    "isolated_python_missing": Entry(
        Kind.NOT_FOUND,
        "There is no Python at {python}.",
        "Give the path of the `python` of an environment that has the framework.",
        "{python} 处没有 Python。",
        "请给出装有该框架的环境中 `python` 的路径。",
    ),
    "datatype_unsupported": Entry(
        Kind.UNSUPPORTED,
        "{name} has the type {datatype}; known are {known}.",
        "Convert it inside the model, for instance to float32 (a complex number as two of them).",
        "{name} 的类型为 {datatype}；支持的类型：{known}。",
        "请在模型内部转换，例如转为 float32（复数可转为两个 float32）。",
    ),
    "note_no_isolation": Entry(
        Kind.UNSUPPORTED,
        "This machine lets this user make no namespaces ({reason}): what converts the model runs with limits of time and memory and without our environment, but NOT cut off from network and files.",
        "Run the conversion as root, or where user namespaces are allowed; with --trust-code that is what keeps the code of a model in.",
        "本机不允许当前用户创建命名空间（{reason}）：转换进程受时间与内存限制且不继承环境变量，但网络与文件并未隔离。",
        "请以 root 身份转换，或在允许用户命名空间的机器上进行；使用 --trust-code 时，正是它约束模型自带的代码。",
    ),
}
