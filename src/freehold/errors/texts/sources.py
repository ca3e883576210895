"""Errors of where a model comes from: the grammar of sources, and paths on this machine."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "source_invalid": Entry(
        Kind.INVALID,
        "{source} is not a source that Freehold understands.",
        "Write it as {form}.",
        "{source} 不是 Freehold 能识别的来源。",
        "请写成 {form}。",
    ),
    "source_scheme_unknown": Entry(
        Kind.INVALID,
        "{source}: the scheme `{scheme}` is unknown (known: {known}).",
        "Did you mean {form}? A folder or file is written as a plain path.",
        "{source}：未知的前缀 `{scheme}`（已知：{known}）。",
        "是否想写 {form}？目录或文件请直接写路径。",
    ),
    "source_digest_invalid": Entry(
        Kind.INVALID,
        "{source}: `{digest}` is not a digest.",
        "Write `sha256:` and 64 hexadecimal digits in lower case, as `freehold models list` prints them.",
        "{source}：`{digest}` 不是有效的摘要。",
        "请写 `sha256:` 加 64 位小写十六进制数，可从 `freehold models list` 复制。",
    ),
    "source_has_password": Entry(
        Kind.INVALID,
        "{source} carries a user name or password in its address.",
        "Take it out of the address and set `key: ${{env:NAME}}` beside it.",
        "{source} 的地址中含有用户名或密码。",
        "请从地址中移除，并在旁边设置 `key: ${{env:NAME}}`。",
    ),
    "source_not_local": Entry(
        Kind.NOT_FOUND,
        "`{source}` is not on this machine, and serving never downloads.",
        "Run `freehold fetch {source}` first.",
        "`{source}` 不在本机，而服务过程不会下载模型。",
        "请先运行 `freehold fetch {source}`。",
    ),
    "source_is_upstream": Entry(
        Kind.UNSUPPORTED,
        "{source} is another server, and this looks at models that lie on this machine.",
        "Name a model folder or .onnx file; `serve` passes requests for such a model on.",
        "{source} 是另一台服务器，而此命令只查看本机上的模型。",
        "请指定模型目录或 .onnx 文件；对这类模型的请求由 `serve` 转发。",
    ),
    "model_path_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be looked at: {reason}.",
        "Let the user that runs the server enter its folders and read it.",
        "无法访问 {path}：{reason}。",
        "请让运行服务的用户可以进入其目录并读取。",
    ),
    "model_path_missing": Entry(
        Kind.NOT_FOUND,
        "There is no model at {path} (looked for: {tried}).",
        "Correct the path. The deepest folder of it that exists is {folder}, which holds: {entries}",
        "{path} 处没有模型（已查找：{tried}）。",
        "请更正路径。其中存在的最深目录是 {folder}，内容为：{entries}",
    ),
    "model_path_unmounted": Entry(
        Kind.NOT_FOUND,
        "There is no model at {path} (looked for: {tried}). {mount} is where a container mounts a folder of its host.",
        "In a container: mount the host's folder (`-v {mounted}`), so that {host} on the host is {path} inside;"
        " MODEL_PATH names the inner side. On the host itself, also to deploy: put the model there, or give the path where it lies.",
        "{path} 处没有模型（已查找：{tried}）。{mount} 是容器挂载宿主机目录的位置。",
        "在容器中：挂载宿主机目录（`-v {mounted}`），使宿主机的 {host} 对应容器内的 {path}；MODEL_PATH 填容器内路径。"
        "在宿主机上运行或部署：把模型放到该处，或改写为模型所在的路径。",
    ),
    "model_path_elsewhere": Entry(
        Kind.NOT_FOUND,
        "There is no model at {path} (looked for: {tried}), but there is one at {found}: the host's folder is mounted there.",
        "Set the path (MODEL_PATH, or `path` in the file) to {found}, or change the right side of the mount.",
        "{path} 处没有模型（已查找：{tried}），但 {found} 处有：宿主机目录挂载在那里。",
        "请将路径（MODEL_PATH 或文件中的 `path`）改为 {found}，或修改挂载的右侧路径。",
    ),
    "model_path_format": Entry(
        Kind.UNSUPPORTED,
        "{path} is a {format} file; Freehold serves .onnx files and model folders.",
        "Convert it once: `freehold convert {path} --name {name}`, then serve the result.",
        "{path} 是 {format} 文件；Freehold 只服务 .onnx 文件和模型目录。",
        "请先转换一次：`freehold convert {path} --name {name}`，再服务转换结果。",
    ),
    "model_path_is_part": Entry(
        Kind.INVALID,
        "{path} is one file of a model, not the model.",
        "Give the folder that holds it together with config.json and the tokenizer: {folder}",
        "{path} 只是模型的一个文件，而不是整个模型。",
        "请指定同时包含 config.json 和分词器的目录：{folder}",
    ),
    "model_path_is_config": Entry(
        Kind.INVALID,
        "{path} is a configuration file, not a model.",
        "Give it as the argument (`freehold serve {path}`); MODEL_PATH and `source` name a model.",
        "{path} 是配置文件，不是模型。",
        "请将它作为参数传入（`freehold serve {path}`）；MODEL_PATH 与 `source` 应指向模型。",
    ),
}
