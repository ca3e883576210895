"""Errors of connecting models to Dify."""

from freehold.errors.kinds import Entry, Kind

_CONFIG: dict[str, Entry] = {
    "config_dify_loopback": Entry(
        Kind.INVALID,
        "{where}: Dify's plugin daemon would call itself at {url}: in its container, a loopback address is its own.",
        "Write this machine as containers reach it: Docker's bridge, `{scheme}://172.17.0.1{end}`, or its name in the"
        " network, `{scheme}://NAME{end}`; the server must listen there.",
        "{where}：Dify 的插件守护进程访问 {url} 时会访问到它自己：在容器内，回环地址指向容器本身。",
        "请填写容器可访问的本机地址：Docker 网桥 `{scheme}://172.17.0.1{end}`，或本机的网络名称"
        " `{scheme}://NAME{end}`；服务器必须监听该地址。",
    ),
    "config_dify_address": Entry(
        Kind.INVALID,
        "{where}: {url} is no address of a server: {reason}.",
        "Write `http://HOST:PORT/v1`.",
        "{where}：{url} 不是服务器地址：{reason}。",
        "请写成 `http://HOST:PORT/v1`。",
    ),
    "config_dify_query": Entry(
        Kind.INVALID,
        "{where}: Dify's plugin appends paths to {url}, which would end up behind its `?` or `#`.",
        "Write it without: `{plain}`.",
        "{where}：Dify 的插件会在 {url} 之后追加路径，这些路径会落在 `?` 或 `#` 之后。",
        "请去掉该部分：`{plain}`。",
    ),
    "config_dify_page": Entry(
        Kind.INVALID,
        "{where}: {url} is a page of Dify, and its console is looked for at the root of its host.",
        "Write the address alone: `{plain}`.",
        "{where}：{url} 是 Dify 的某个页面，而控制台位于主机的根路径。",
        "请只写地址：`{plain}`。",
    ),
    "config_dify_workspace": Entry(
        Kind.INVALID,
        "{where}: `dify.admin_key` acts in one workspace, and `dify.workspace` does not say in which.",
        "Add `workspace: ID`; Dify's database has it in the table `tenants`, its console in the reply of"
        " `/console/api/workspaces`.",
        "{where}：`dify.admin_key` 只在一个工作空间内生效，而 `dify.workspace` 未指明是哪一个。",
        "请添加 `workspace: ID`；可在 Dify 数据库的 `tenants` 表或控制台接口 `/console/api/workspaces` 的返回中找到。",
    ),
    "config_dify_half": Entry(
        Kind.INVALID,
        "{where}: `{key}` signs in together with `{other}`, which is missing.",
        "Set both, or neither and print the forms: `freehold dify connect --print`.",
        "{where}：`{key}` 需要与 `{other}` 一起用于登录，后者缺失。",
        "请同时设置两者；或都不设置，改用 `freehold dify connect --print` 打印表单。",
    ),
    "config_dify_two_accounts": Entry(
        Kind.INVALID,
        "{where}: `dify` has both an `admin_key` and an `email`, and only one of them can act.",
        "Keep one: `admin_key` with `workspace`, or `email` with `password`.",
        "{where}：`dify` 同时设置了 `admin_key` 和 `email`，只能使用其中之一。",
        "请保留一种：`admin_key` 加 `workspace`，或 `email` 加 `password`。",
    ),
    "config_dify_account_deployed": Entry(
        Kind.INVALID,
        "{where}: `{key}` signs in to an existing Dify; the account of one that is deployed is `dify.console`, and its"
        " password is generated.",
        "Remove it.",
        "{where}：`{key}` 用于登录已有的 Dify；部署的 Dify 使用 `dify.console` 账户，其密码自动生成。",
        "请删除该项。",
    ),
    "config_dify_default": Entry(
        Kind.INVALID,
        "{where}: `{key}` names `{id}`, which is neither a model nor a route of this file: {known}.",
        "Write the name that clients ask for; `freehold dify connect` finds the one that it has in Dify.",
        "{where}：`{key}` 指定了 `{id}`，它既不是本文件中的模型也不是路由：{known}。",
        "请填写客户端请求时使用的名称；`freehold dify connect` 会找到它在 Dify 中的名称。",
    ),
}

_CONNECT: dict[str, Entry] = {
    "dify_unconfigured": Entry(
        Kind.INVALID,
        "{origin} does not say which Dify the models are for.",
        "Add `dify: {{url: https://DIFY, email: ..., password: ${{env:DIFY_PASSWORD}}}}`; without access to it print"
        " the forms: `freehold dify connect --print`.",
        "{origin} 未说明模型要接入哪个 Dify。",
        "请添加 `dify: {{url: https://DIFY, email: ..., password: ${{env:DIFY_PASSWORD}}}}`；若没有访问权限，请用"
        " `freehold dify connect --print` 打印表单。",
    ),
    "dify_account_wanted": Entry(
        Kind.INVALID,
        "Nothing says how to sign in to {url}.",
        "Set `dify.email` and `dify.password`, or `dify.admin_key` and `dify.workspace`; without either print the"
        " forms: `freehold dify connect --print`.",
        "未说明如何登录 {url}。",
        "请设置 `dify.email` 与 `dify.password`，或 `dify.admin_key` 与 `dify.workspace`；若都没有，请用"
        " `freehold dify connect --print` 打印表单。",
    ),
    "dify_address_wanted": Entry(
        Kind.INVALID,
        "Nothing says how Dify's plugin daemon reaches this server: it listens on loopback, and no Docker is here.",
        "Write its address as Dify's network has it, `dify: {{models_url: {example}}}` or `--models-url {example}`, and"
        " listen there.",
        "未说明 Dify 的插件守护进程如何访问本服务器：它只监听回环地址，且本机没有 Docker。",
        "请写明 Dify 所在网络中的地址 `dify: {{models_url: {example}}}` 或 `--models-url {example}`，并监听该地址。",
    ),
    "dify_key_wanted": Entry(
        Kind.INVALID,
        "Calls of models need a key, and none is known here: not `dify.models_key`, not `access.key`, not {path}.",
        "Set `dify.models_key: ${{file:PATH}}`, or `access: {{auth: none}}` where the network is closed anyway.",
        "调用模型需要密钥，但此处没有已知的密钥：`dify.models_key`、`access.key` 与 {path} 均不存在。",
        "请设置 `dify.models_key: ${{file:PATH}}`；若网络本身封闭，可设置 `access: {{auth: none}}`。",
    ),
    "dify_nothing_to_connect": Entry(
        Kind.INVALID,
        "None of the models is one that Dify uses: {left}.",
        "Dify uses models that chat, embed, rerank, transcribe or speak. Of a model behind another server say what it"
        " can: `abilities: [chat]`.",
        "没有 Dify 可用的模型：{left}。",
        "Dify 使用对话、向量、重排序、语音转文字和文字转语音模型。对于其他服务器上的模型，请用 `abilities: [chat]`"
        " 说明其能力。",
    ),
    "dify_default_type": Entry(
        Kind.INVALID,
        "`dify.default_models.{wanted}` names `{model}`, which is of another type in Dify: {found}.",
        "Name a model of the type {wanted}; `freehold dify connect --print` shows the types.",
        "`dify.default_models.{wanted}` 指定了 `{model}`，但它在 Dify 中属于其他类型：{found}。",
        "请指定类型为 {wanted} 的模型；`freehold dify connect --print` 会显示类型。",
    ),
    "dify_spaces_invalid": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}. It says which names embedding models have in Dify.",
        "Bring it back from a backup. Without it, remove it: names then follow from the models alone, and a knowledge"
        " base may have to be indexed again.",
        "无法读取 {path}：{reason}。它记录了向量模型在 Dify 中的名称。",
        "请从备份恢复。若无备份请删除它：名称将仅由模型推出，知识库可能需要重新索引。",
    ),
    "dify_state_unwritable": Entry(
        Kind.UNAVAILABLE,
        "{path} cannot be written: {reason}. It keeps what a later run has to know.",
        "Make its folder writable, or set FREEHOLD_HOME to one that is.",
        "无法写入 {path}：{reason}。它保存后续运行所需的信息。",
        "请使其所在目录可写，或将 FREEHOLD_HOME 设为可写的目录。",
    ),
    "dify_secrets_missing": Entry(
        Kind.NOT_FOUND,
        "The secrets that the deployment of Dify made are not here: {place}.",
        "Deploy it first, `freehold deploy`, by the same user and FREEHOLD_HOME. One that was started by hand is connected"
        " by hand: `freehold dify connect --print`.",
        "此处没有部署 Dify 时生成的密钥：{place}。",
        "请先用同一用户和同一 FREEHOLD_HOME 执行 `freehold deploy`。手工启动的 Dify 请手工接入：`freehold dify connect --print`。",
    ),
    "dify_plugin_missing": Entry(
        Kind.NOT_FOUND,
        "Dify at {url} has no plugin {plugin}, by which it calls our models.",
        "Install it there (Plugins, Marketplace: OpenAI-API-compatible), or download it from Dify's marketplace and"
        " give the package: `freehold dify connect --plugin FILE.difypkg`.",
        "{url} 的 Dify 没有插件 {plugin}，无法调用我们的模型。",
        "请在 Dify 中安装（插件 → Marketplace：OpenAI-API-compatible），或从 Dify 插件市场下载其安装包后执行："
        "`freehold dify connect --plugin FILE.difypkg`。",
    ),
    "dify_plugin_unreadable": Entry(
        Kind.NOT_FOUND,
        "The plugin package {path} cannot be read: {reason}",
        "Give the path of a .difypkg file.",
        "无法读取插件包 {path}：{reason}",
        "请给出 .difypkg 文件的路径。",
    ),
    "dify_models_refused": Entry(
        Kind.UPSTREAM,
        "Dify called the models and {count} did not answer it as they should; nothing was changed.\n    {refused}",
        "Check that Dify's plugin daemon reaches the address and that the key is right; `freehold dify check URL` makes"
        " the same calls one by one.",
        "Dify 调用了这些模型，其中 {count} 个未正确应答；未做任何更改。\n    {refused}",
        "请确认 Dify 的插件守护进程能够访问该地址且密钥正确；`freehold dify check URL` 会逐一执行相同的调用。",
    ),
    "dify_connect_interrupted": Entry(
        Kind.UPSTREAM,
        "Connecting stopped in the middle: {reason}\n    done: {done}\n    left: {left}",
        "{remedy} Then run it again: it goes on with what is left.",
        "接入中途停止：{reason}\n    已完成：{done}\n    未完成：{left}",
        "{remedy} 然后重新运行：会继续完成剩余步骤。",
    ),
}

_SERVER: dict[str, Entry] = {
    "dify_server_silent": Entry(
        Kind.UPSTREAM,
        "Our server did not answer {url}: {reason}",
        "Start it, or say where this machine reaches it: `--server URL`.",
        "我们的服务器未应答 {url}：{reason}",
        "请启动它，或说明本机如何访问它：`--server URL`。",
    ),
    "dify_server_other": Entry(
        Kind.CONFLICT,
        "Our server has another version of the embedding model `{model}` ({served}) than the configuration names ({named});"
        " its name in Dify tells which vectors it gives.",
        "Bring the new version in force first, `freehold deploy` or by starting `freehold serve` again; then connect.",
        "我们的服务器上向量模型 `{model}` 的版本（{served}）与配置指定的版本（{named}）不同；它在 Dify 中的名称表示所给出的向量。",
        "请先使新版本生效：执行 `freehold deploy` 或重新启动 `freehold serve`；然后再接入。",
    ),
}

_NOTES: dict[str, Entry] = {
    "note_dify_listen": Entry(
        Kind.INVALID,
        "Dify reaches this machine at {listen}, where the server does not listen yet.",
        "Start it with `freehold serve --host {listen}`, or set `server.host` or `deploy.host`.",
        "Dify 通过 {listen} 访问本机，但服务器尚未监听该地址。",
        "请使用 `freehold serve --host {listen}` 启动，或设置 `server.host`、`deploy.host`。",
    ),
    "note_dify_key_wide": Entry(
        Kind.INVALID,
        "Dify is given a key that may do more than ask models, and has no limits: {place}",
        "Make one for it, `freehold keys create --name dify --role client`, and name it: `dify.models_key: ${{env:DIFY_MODELS_KEY}}`.",
        "交给 Dify 的密钥权限不止于调用模型，且没有限额：{place}",
        "请为它单独创建密钥：`freehold keys create --name dify --role client`，并写明 `dify.models_key: ${{env:DIFY_MODELS_KEY}}`。",
    ),
    "note_dify_silent": Entry(
        Kind.UNAVAILABLE,
        "Our server was not asked for what it knows of its models: {reason}",
        "Names and sizes come from files and the configuration. Where this machine reaches it at another address, say"
        " so: `--server URL`.",
        "未能向我们的服务器查询模型信息：{reason}",
        "名称和长度取自文件与配置。若本机需通过其他地址访问它，请使用 `--server URL`。",
    ),
    "note_dify_assumed": Entry(
        Kind.INVALID,
        "Nothing tells the context length of `{model}`; Dify is told {length}.",
        "Write it: `context_length` of the model, as its description says.",
        "无法得知 `{model}` 的上下文长度，告知 Dify 的是 {length}。",
        "请按模型说明填写该模型的 `context_length`。",
    ),
    "note_dify_space_gone": Entry(
        Kind.CONFLICT,
        "{name} is used ({uses}), and no model that is served answers in its space any more: new vectors are compared"
        " with old ones there, and searches find the wrong texts.",
        "Serve the old version again beside the new one, under an id of its own, and connect: the old name is led to it."
        " Or choose the new model there and index again.",
        "{name} 正被使用（{uses}），但已没有模型在其向量空间中应答：新旧向量会被相互比较，检索结果将是错误的。",
        "请以单独的 id 在新版本旁重新提供旧版本，然后再次接入：旧名称会指向它。或在该处选择新模型并重新索引。",
    ),
    "note_dify_version": Entry(
        Kind.UNSUPPORTED,
        "This Dify is {version}; its console was read in the source of {known}.",
        "Every reply is checked by its shape, and a step whose reply has another one stops.",
        "该 Dify 版本为 {version}；控制台接口依据 {known} 的源码实现。",
        "每个应答都会检查其结构，结构不符的步骤会停止。",
    ),
    "note_dify_left_out": Entry(
        Kind.UNSUPPORTED,
        "`{model}` is not connected: {reason}.",
        "Dify has types for models that chat, embed, rerank, transcribe and speak. Of a model behind another server say"
        " what it can: `abilities: [chat]`.",
        "未接入 `{model}`：{reason}。",
        "Dify 支持对话、向量、重排序、语音转文字和文字转语音模型。对于其他服务器上的模型，请用 `abilities: [chat]`"
        " 说明其能力。",
    ),
}

ENTRIES: dict[str, Entry] = _CONFIG | _CONNECT | _SERVER | _NOTES
