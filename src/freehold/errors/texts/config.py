"""Errors of the room `config` and of the command line that shows it."""

from freehold.errors.kinds import Entry, Kind
from freehold.errors.texts import sources

_FILES: dict[str, Entry] = {
    "config_no_model": Entry(
        Kind.INVALID,
        "Nothing says which model: no argument, no MODEL_PATH, and {folder} has neither freehold.yaml nor a config.yaml"
        " with `model` or `models`.",
        "Name a model folder, an .onnx file or a configuration, set MODEL_PATH, or run `freehold config init`.",
        "没有指定模型：没有参数，没有 MODEL_PATH，{folder} 中也没有 freehold.yaml 或含 `model`/`models` 的 config.yaml。",
        "请指定模型目录、.onnx 文件或配置文件，或设置 MODEL_PATH，或运行 `freehold config init`。",
    ),
    "config_not_found": Entry(
        Kind.NOT_FOUND,
        "There is no configuration file {path}.",
        "Correct the path, or write one with `freehold config init`.",
        "配置文件 {path} 不存在。",
        "请更正路径，或用 `freehold config init` 生成一个。",
    ),
    "config_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}.",
        "Give a readable UTF-8 file.",
        "无法读取 {path}：{reason}。",
        "请提供可读的 UTF-8 文件。",
    ),
    "config_syntax": Entry(
        Kind.INVALID,
        "{where}: not valid YAML or JSON: {reason}.",
        "Correct that line: indent with spaces, put texts with `: ` or `#` in quotes, use no tags.",
        "{where}：不是有效的 YAML 或 JSON：{reason}。",
        "请修改该行：用空格缩进，含 `: ` 或 `#` 的文本加引号，不要使用标签。",
    ),
    "config_not_mapping": Entry(
        Kind.INVALID,
        "{where}: the top level is not a mapping of keys.",
        "Begin with `model:` or `models:`; `freehold config init` writes an example.",
        "{where}：顶层不是键值映射。",
        "请以 `model:` 或 `models:` 开头；`freehold config init` 可生成示例。",
    ),
    "config_invalid": Entry(
        Kind.INVALID,
        "{origin} has {count} problems:{problems}",
        "Correct them; `freehold config check` shows them again.",
        "{origin} 有 {count} 处问题：{problems}",
        "请逐一更正；可用 `freehold config check` 再次检查。",
    ),
    "config_file_exists": Entry(
        Kind.CONFLICT,
        "{path} exists already.",
        "Edit it, choose another name with --output, or overwrite it with --force.",
        "{path} 已存在。",
        "请直接编辑，或用 --output 另取文件名，或用 --force 覆盖。",
    ),
    "config_unwritable": Entry(
        Kind.INVALID,
        "{path} cannot be written: {reason}.",
        "Choose a writable place with --output.",
        "无法写入 {path}：{reason}。",
        "请用 --output 指定可写的位置。",
    ),
}

_KEYS: dict[str, Entry] = {
    "config_key_twice": Entry(
        Kind.INVALID,
        "{where}: the key `{key}` is already set in line {first}.",
        "Keep one of the two.",
        "{where}：键 `{key}` 已在第 {first} 行设置。",
        "请只保留其中一处。",
    ),
    "config_key_misspelled": Entry(
        Kind.INVALID,
        "{where}: unknown key `{key}`.",
        "Did you mean `{closest}`? Allowed here: {allowed}.",
        "{where}：未知的键 `{key}`。",
        "是否想写 `{closest}`？此处允许：{allowed}。",
    ),
    "config_key_unknown": Entry(
        Kind.INVALID,
        "{where}: unknown key `{key}`.",
        "Remove it. Allowed here: {allowed}.",
        "{where}：未知的键 `{key}`。",
        "请删除。此处允许：{allowed}。",
    ),
    "config_alias_twice": Entry(
        Kind.INVALID,
        "{where}: `{key}` is set beside `{name}`; `{alias}` is another name of `{name}`.",
        "Keep one of the two.",
        "{where}：同时设置了 `{key}` 和 `{name}`；`{alias}` 是 `{name}` 的别名。",
        "请只保留其中一个。",
    ),
    "config_model_and_models": Entry(
        Kind.INVALID,
        "{where}: `model` stands beside `models` ({other}).",
        "Move the one model into the list `models`.",
        "{where}：`model` 与 `models`（{other}）同时存在。",
        "请把单个模型移入 `models` 列表。",
    ),
    "config_variable_beside_models": Entry(
        Kind.INVALID,
        "{variable}={value} names one model, but {where} has a list of them: `models`.",
        "Unset {variable}, or describe one model under `model:` instead of `models:`.",
        "{variable}={value} 指定了单个模型，但 {where} 中是列表 `models`。",
        "请取消 {variable}，或改用 `model:` 描述单个模型。",
    ),
}

_VALUES: dict[str, Entry] = {
    "config_value_missing": Entry(
        Kind.INVALID,
        "{where}: `{key}` lacks `{name}`.",
        "Add `{name}`: {allowed}.",
        "{where}：`{key}` 缺少 `{name}`。",
        "请添加 `{name}`：{allowed}。",
    ),
    "config_value_invalid": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {found}.",
        "Set `{key}` to: {allowed}.",
        "{where}：`{key}` 的值为 {found}。",
        "请将 `{key}` 设为：{allowed}。",
    ),
    "config_value_unquoted": Entry(
        Kind.INVALID,
        "{where}: `{key}` is the number or truth value {found}, and a text is needed.",
        "Put it in quotes. Allowed: {allowed}.",
        "{where}：`{key}` 是数字或布尔值 {found}，而此处需要文本。",
        "请加上引号。允许：{allowed}。",
    ),
    "config_id_invalid": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {found}, which cannot be a model's name in a URL.",
        "Write it in {allowed} characters, the first and the last a letter or digit.",
        "{where}：`{key}` 为 {found}，不能作为 URL 中的模型名。",
        "请使用 {allowed} 个字符，且首尾须为字母或数字。",
    ),
    "config_secret_literal": Entry(
        Kind.INVALID,
        "{where}: `{key}` holds a secret itself; a configuration only refers to secrets.",
        "Put the secret into an environment variable or a file and write: {allowed}.",
        "{where}：`{key}` 直接写入了密钥；配置中只能引用密钥。",
        "请将密钥放入环境变量或文件，并写成：{allowed}。",
    ),
    "config_proxy_invalid": Entry(
        Kind.INVALID,
        "{where}: `{key}` is not the address of a proxy, or carries a user name or password.",
        "Write {allowed}; one with a password goes into the variable or file.",
        "{where}：`{key}` 不是代理地址，或其中含有用户名、密码。",
        "请写成 {allowed}；带密码的地址请放入环境变量或文件。",
    ),
    "secret_missing": Entry(
        Kind.INVALID,
        "The secret {reference} is not there: {place} is not set, not found, or empty.",
        "`${{env:NAME}}` is a variable of this command's environment (`export NAME=...`), `${{file:PATH}}` a file.",
        "密钥 {reference} 不存在：{place} 未设置、未找到或为空。",
        "`${{env:NAME}}` 是此命令的环境变量（`export NAME=...`），`${{file:PATH}}` 是文件。",
    ),
    "secret_malformed": Entry(
        Kind.INVALID,
        "{reference} stands for more than one line, or holds a character that no header can carry.",
        "Write the secret there alone, on one line.",
        "{reference} 的内容不止一行，或含有请求头无法携带的字符。",
        "请只写入密钥本身，且只占一行。",
    ),
    "secret_unreadable": Entry(
        Kind.INVALID,
        "The secret's file {path} cannot be read: {reason}.",
        "Make it readable to the user that runs the server.",
        "无法读取密钥文件 {path}：{reason}。",
        "请让运行服务的用户可以读取该文件。",
    ),
}

_RULES: dict[str, Entry] = {
    "config_id_needed": Entry(
        Kind.INVALID,
        "{where}: no id can be taken from `{key}` ({source}).",
        "Add `id`, or set MODEL_ID: the name that clients ask for.",
        "{where}：无法从 `{key}`（{source}）得出 id。",
        "请添加 `id` 或设置 MODEL_ID，即客户端请求的名称。",
    ),
    "config_id_taken": Entry(
        Kind.INVALID,
        "{where}: the id `{id}` is already taken ({first}).",
        "Give each model its own `id`.",
        "{where}：id `{id}` 已被使用（{first}）。",
        "请为每个模型设置不同的 `id`。",
    ),
    "config_engine_needs_upstream": Entry(
        Kind.INVALID,
        "{where}: the engine `{engine}` of `{id}` forwards to a server, but its source is {source}.",
        "Write the server's https://HOST/v1 as the source, or leave `engine` out.",
        "{where}：`{id}` 的引擎 `{engine}` 会转发到服务器，但来源是 {source}。",
        "请将来源写成服务器地址 https://HOST/v1，或删除 `engine`。",
    ),
    "config_engine_not_upstream": Entry(
        Kind.INVALID,
        "{where}: the engine `{engine}` of `{id}` cannot run {source}, which is another server.",
        "Leave `engine` out, or set it to `openai`.",
        "{where}：`{id}` 的引擎 `{engine}` 无法运行 {source}，它是另一台服务器。",
        "请删除 `engine`，或设为 `openai`。",
    ),
    "config_gpus_device": Entry(
        Kind.INVALID,
        "{where}: `{key}` is `{device}` although `gpus` are asked for.",
        "Set `device: cuda`, or remove `gpus`.",
        "{where}：`{key}` 为 `{device}`，但同时申请了 `gpus`。",
        "请设置 `device: cuda`，或删除 `gpus`。",
    ),
    "config_output_exceeds_context": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {output}, more than the context_length {context} that holds prompt and completion.",
        "Lower it, or raise `context_length`.",
        "{where}：`{key}` 为 {output}，超过了容纳提示与回答的 context_length {context}。",
        "请减小它，或增大 `context_length`。",
    ),
    "config_route_unknown": Entry(
        Kind.INVALID,
        "{where}: `{key}` names `{id}`, which is no model of this configuration.",
        "Name one of: {known}.",
        "{where}：`{key}` 指向 `{id}`，配置中没有该模型。",
        "请使用其中之一：{known}。",
    ),
    "config_route_twice": Entry(
        Kind.INVALID,
        "{where}: there is already a route `{id}` ({first}).",
        "Put all its targets under one `to`.",
        "{where}：路由 `{id}` 已存在（{first}）。",
        "请将所有目标写在同一个 `to` 下。",
    ),
    "config_route_of_tenants": Entry(
        Kind.INVALID,
        "{where}: the route {route} leads to models of several tenants: {tenants}.",
        "Make one route a tenant: what one asks must not reach another one's model, shadow and fallback included.",
        "{where}：路由 {route} 指向多个租户的模型：{tenants}。",
        "请为每个租户单独设置路由：一个租户的请求不得到达另一租户的模型，包括影子与回退模型。",
    ),
    "config_route_empty": Entry(
        Kind.INVALID,
        "{where}: `{key}` of the route `{route}` has no target with a weight above 0.",
        "Name at least one model: `to: [{{id: NAME}}]`.",
        "{where}：路由 `{route}` 的 `{key}` 没有权重大于 0 的目标。",
        "请至少写一个模型：`to: [{{id: 名称}}]`。",
    ),
    "config_dify_choice": Entry(
        Kind.INVALID,
        "{where}: `dify` needs exactly one of `url` and `version`.",
        "Write `url` for a Dify that exists, `version` for one to deploy.",
        "{where}：`dify` 必须且只能设置 `url` 与 `version` 之一。",
        "已有的 Dify 写 `url`，需要部署的写 `version`。",
    ),
}

_NOTES: dict[str, Entry] = {
    "note_no_models": Entry(
        Kind.INVALID,
        "{where}: no model is configured.",
        "Add one under `models:`, or name one on the command line or in MODEL_PATH.",
        "{where}：没有配置任何模型。",
        "请在 `models:` 下添加，或在命令行、MODEL_PATH 中指定。",
    ),
    "note_door_open": Entry(
        Kind.INVALID,
        "{where}: access is open; whoever reaches the port may use the models.",
        "Remove `auth: none` (or FREEHOLD_AUTH=none) unless the network is closed.",
        "{where}：访问未设密钥；能连到该端口的人都可使用模型。",
        "除非网络封闭，请移除 `auth: none`（或 FREEHOLD_AUTH=none）。",
    ),
    "note_limits_uncounted": Entry(
        Kind.INVALID,
        "{where}: `{key}` limits nothing: limits count keys, and `auth: none` asks for none.",
        "Remove `auth: none`, or the limits.",
        "{where}：`{key}` 不起作用：限额按密钥计数，而 `auth: none` 不要求密钥。",
        "请移除 `auth: none`，或移除这些限额。",
    ),
    "note_content_unaudited": Entry(
        Kind.INVALID,
        "{where}: `{key}` keeps nothing: the content of requests stands in their lines, and there are none.",
        "Set `access.audit.inference: true` beside it, or remove it.",
        "{where}：`{key}` 不起作用：请求内容写在请求的审计行中，而目前不写这些行。",
        "请同时设置 `access.audit.inference: true`，或移除该项。",
    ),
    "note_path_replaced": Entry(
        Kind.CONFLICT,
        "{where}: `{key}` is replaced by MODEL_PATH={value}.",
        "Unset MODEL_PATH to use the file's own path.",
        "{where}：`{key}` 被 MODEL_PATH={value} 取代。",
        "如需使用文件中的路径，请取消 MODEL_PATH。",
    ),
    "note_file_passed_over": Entry(
        Kind.CONFLICT,
        "{other} is not read: {file} goes before it.",
        "Name it as the argument to use it, or remove one of the two.",
        "{other} 未被读取：{file} 优先。",
        "如需使用请将其作为参数传入，或删除其中一个文件。",
    ),
    "note_limit_of_the_server": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{name}` is a limit of the whole server.",
        "Set it under the top-level `limits`.",
        "{where}：`{key}` 被忽略：`{name}` 是整个服务的限制。",
        "请写在顶层的 `limits` 下。",
    ),
    "note_ignored_for_tensor": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` is a tensor model, which counts no tokens.",
        "Remove it; set `kind` if the model takes text after all.",
        "{where}：`{key}` 被忽略：`{id}` 是张量模型，不计词元。",
        "请删除；如果该模型实际处理文本，请设置 `kind`。",
    ),
    "note_ignored_for_text": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` takes text, whose shape follows from its tokens.",
        "Remove it, or set `kind: tensor`.",
        "{where}：`{key}` 被忽略：`{id}` 处理文本，形状由词元决定。",
        "请删除，或设置 `kind: tensor`。",
    ),
    "note_ignored_for_encoder": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` generates no text.",
        "Remove it, or set `kind: generate`.",
        "{where}：`{key}` 被忽略：`{id}` 不生成文本。",
        "请删除，或设置 `kind: generate`。",
    ),
    "note_ignored_for_upstream": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` runs on another server.",
        "Set it on that server.",
        "{where}：`{key}` 被忽略：`{id}` 运行在另一台服务器上。",
        "请在那台服务器上设置。",
    ),
    "note_ignored_for_local": Entry(
        Kind.UNSUPPORTED,
        "{where}: `{key}` is ignored: `{id}` runs here; keys of this server are made with `freehold keys create`.",
        "Remove it.",
        "{where}：`{key}` 被忽略：`{id}` 在本机运行；本服务的密钥用 `freehold keys create` 创建。",
        "请删除。",
    ),
    "note_secret_unset": Entry(
        Kind.INVALID,
        "{where}: `{key}` refers to {reference}, which is not there on this machine.",
        "Set it where the server runs.",
        "{where}：`{key}` 引用的 {reference} 在本机不存在。",
        "请在服务运行的环境中设置。",
    ),
    "note_model_not_here": Entry(
        Kind.NOT_FOUND,
        "{where}: the model of `{id}` is not on this machine: there is nothing at {path}.",
        "Fine if it is where this configuration is deployed to.",
        "{where}：`{id}` 的模型不在本机：{path} 不存在。",
        "若部署目标机器上有该模型，则无需处理。",
    ),
}

_COMMAND_LINE: dict[str, Entry] = {
    "error_code_unknown": Entry(
        Kind.NOT_FOUND,
        "There is no error code `{unknown}`.",
        "Did you mean: {closest}? `freehold explain` lists all codes.",
        "没有错误代码 `{unknown}`。",
        "是否想查：{closest}？运行 `freehold explain` 可列出全部代码。",
    ),
    "language_unknown": Entry(
        Kind.INVALID,
        "--lang is `{language}`, and texts exist in: {known}.",
        "Write --lang en or --lang zh.",
        "--lang 为 `{language}`，而文本只有：{known}。",
        "请写 --lang en 或 --lang zh。",
    ),
    "config_nothing_found": Entry(
        Kind.NOT_FOUND,
        "{folder} holds no model that a configuration could begin with.",
        "Run it where an .onnx file or a model folder lies, or name one: `freehold config init MODEL`.",
        "{folder} 中没有可用于生成配置的模型。",
        "请在含有 .onnx 文件或模型目录的位置运行，或指定模型：`freehold config init MODEL`。",
    ),
}

ENTRIES: dict[str, Entry] = sources.ENTRIES | _FILES | _KEYS | _VALUES | _RULES | _NOTES | _COMMAND_LINE
