"""Errors of a Dify that is deployed: its topology, secrets and settings."""

from freehold.errors.kinds import Entry, Kind

_DEPLOYED: dict[str, Entry] = {
    "dify_version_unknown": Entry(
        Kind.INVALID,
        "`dify.version` is {version}, and this version of Freehold knows how to deploy: {known}.",
        "Write one of those, or upgrade Freehold.",
        "`dify.version` 为 {version}，而当前 Freehold 能部署的版本为：{known}。",
        "请改为其中之一，或升级 Freehold。",
    ),
    "dify_variable_fixed": Entry(
        Kind.INVALID,
        "`dify.environment` sets `{name}`, which other services of Dify {version} depend on: it is made from the"
        " configuration, or is a secret that is made.",
        "Leave it out. What is yours to decide has its own key below `dify`: `postgres`, `redis`, `storage`, `vectors`,"
        " `address`, `plugin_key`.",
        "`dify.environment` 设置了 `{name}`，但 Dify {version} 的其他服务依赖它：它由配置推导，或属于自动生成的密钥。",
        "请删除它。可自定的内容在 `dify` 下有各自的键：`postgres`、`redis`、`storage`、`vectors`、`address`、`plugin_key`。",
    ),
    "dify_public_default": Entry(
        Kind.INVALID,
        "{place} is a default that Dify publishes: everybody knows it.",
        "Put a secret of your own there; `openssl rand -hex 20` prints one.",
        "{place} 是 Dify 公开的默认值：人人皆知。",
        "请换成自己的密钥；可用 `openssl rand -hex 20` 生成。",
    ),
    "dify_ingress_taken": Entry(
        Kind.INVALID,
        "`dify.ingress_host` and `deploy.ingress.host` are both {host}, and both services have /v1 there",
        "give Dify a name of its own: `dify.ingress_host: dify.example.com`",
        "`dify.ingress_host` 与 `deploy.ingress.host` 都是 {host}，而两个服务在那里都有 /v1",
        "给 Dify 一个自己的域名：`dify.ingress_host: dify.example.com`",
    ),
    "dify_secrets_open": Entry(
        Kind.INVALID,
        "Others may read {path}, the secrets of Dify: its mode is {mode}.",
        "Close it: chmod 600 {path}",
        "其他用户可以读取 Dify 的密钥文件 {path}：其权限为 {mode}。",
        "请执行 chmod 600 {path}。",
    ),
    "dify_secrets_broken": Entry(
        Kind.INVALID,
        "{path}, the secrets of Dify, cannot be read: {reason}.",
        "Bring it back from a backup: the databases know only those secrets. Remove it only where there is no data yet.",
        "无法读取 Dify 的密钥文件 {path}：{reason}。",
        "请从备份恢复它：数据库只认这些密钥。仅在尚无数据时才可删除它。",
    ),
    "dify_secrets_unwritable": Entry(
        Kind.INVALID,
        "The secrets of Dify cannot be written to {path}: {reason}.",
        "Make the folder writable for the user who runs this, or choose another one.",
        "无法将 Dify 的密钥写入 {path}：{reason}。",
        "请让当前用户可写该目录，或改用其他目录。",
    ),
    "dify_secret_unfit": Entry(
        Kind.INVALID,
        "The secret in the variable `{name}` of Dify's service `{service}` has a quote, a backslash, a line break or"
        " `${{` in it: files of variables cannot carry these to every version of Compose.",
        "Choose another password there, of letters and digits say.",
        "Dify 服务 `{service}` 的变量 `{name}` 中的密钥含有引号、反斜杠、换行或 `${{`：变量文件无法在所有 Compose 版本中传递它们。",
        "请换用其他密码，例如仅含字母和数字。",
    ),
    "dify_ca_unreadable": Entry(
        Kind.INVALID,
        "`network.ca` names {path}, which has no certificate that can be read: {reason}.",
        "Name a PEM file with the certificate of your authority (-----BEGIN CERTIFICATE-----).",
        "`network.ca` 指定的 {path} 中没有可读取的证书：{reason}。",
        "请指定包含 CA 证书的 PEM 文件（-----BEGIN CERTIFICATE-----）。",
    ),
    "dify_tls_unusable": Entry(
        Kind.INVALID,
        "`dify.tls` names {certificate} and {key}, which are no certificate with its key: {reason}.",
        "Name the PEM file of the certificate and that of its own private key, without a passphrase.",
        "`dify.tls` 指定的 {certificate} 与 {key} 不是一对证书和私钥：{reason}。",
        "请指定证书的 PEM 文件及其对应私钥（不带口令）的 PEM 文件。",
    ),
    "dify_without_models": Entry(
        Kind.INVALID,
        "The configuration deploys a Dify and no model: its gateway would have nothing to answer with.",
        "Name a model; one that another server computes is one, too:"
        ' `models: [{{id: NAME, source: "https://HOST/v1"}}]`.',
        "该配置部署了 Dify，却没有任何模型：网关将无从应答。",
        '请至少配置一个模型；由其他服务器提供的也可以：`models: [{{id: 名称, source: "https://HOST/v1"}}]`。',
    ),
    "dify_none_deployed": Entry(
        Kind.INVALID,
        "The configuration deploys no Dify: it has no `dify.version`.",
        'Write `dify: {{version: "1.15.0"}}` to deploy one.',
        "该配置不部署 Dify：没有 `dify.version`。",
        '如需部署，请写 `dify: {{version: "1.15.0"}}`。',
    ),
    "dify_service_failed": Entry(
        Kind.UNAVAILABLE,
        "{service} is not ready. {cause}",
        "{fix}",
        "{service} 未就绪。{cause}",
        "{fix}",
    ),
    "dify_secrets_lost": Entry(
        Kind.CONFLICT,
        "{secrets} is not there, and {volume} is: its data was written with the secrets that were in it.",
        "Put it back from a copy, or from a backup of `freehold dify backup`. If nothing in the volumes is wanted:"
        " `{removal}` and its likes.",
        "缺少 {secrets}，但 {volume} 仍在：其中的数据是用这些密钥写入的。",
        "请从副本或 `freehold dify backup` 的备份中恢复。若其中的数据都不再需要，请执行 `{removal}` 等命令。",
    ),
}

_RULES: dict[str, Entry] = {
    "config_dify_deployed_only": Entry(
        Kind.INVALID,
        "{where}: `{key}` says how a Dify is deployed, and `dify.url` names one that exists.",
        "Leave it out, or write `version` in place of `url`.",
        "{where}：`{key}` 用于部署新的 Dify，而 `dify.url` 指向现有的 Dify。",
        "请删除它，或用 `version` 代替 `url`。",
    ),
    "config_dify_systemd": Entry(
        Kind.INVALID,
        "{where}: Dify comes as images, and `deploy.target` is systemd, which runs none.",
        "Write `deploy.target: compose` or `kubernetes`, or name a Dify that exists by `dify.url`.",
        "{where}：Dify 以镜像形式提供，而 `deploy.target` 为 systemd，无法运行镜像。",
        "请将 `deploy.target` 设为 compose 或 kubernetes，或用 `dify.url` 指定现有的 Dify。",
    ),
    "config_dify_tls_cluster": Entry(
        Kind.INVALID,
        "{where}: on a cluster the ingress controller has Dify's certificate, not `{key}`.",
        "Leave it out and set `deploy.ingress.issuer` or `secret`.",
        "{where}：在集群中，Dify 的证书由 Ingress 控制器管理，而不是 `{key}`。",
        "请删除它，并设置 `deploy.ingress.issuer` 或 `secret`。",
    ),
    "config_dify_ingress_compose": Entry(
        Kind.INVALID,
        "{where}: `{key}` is for clusters, and `deploy.target` is compose.",
        "Write `dify.address`, as browsers reach it, with `dify.host` and `dify.port`.",
        "{where}：`{key}` 仅用于集群，而 `deploy.target` 为 compose。",
        "请改用 `dify.address`（浏览器访问的地址）以及 `dify.host`、`dify.port`。",
    ),
    "config_dify_unreachable": Entry(
        Kind.INVALID,
        "{where}: nothing says how browsers reach the Dify of this cluster.",
        "Write `dify.ingress_host: dify.example.com`; or `dify.address`, where something else leads to it.",
        "{where}：没有说明浏览器如何访问集群中的 Dify。",
        "请写 `dify.ingress_host: dify.example.com`；如由其他入口转发，请写 `dify.address`。",
    ),
    "config_dify_host": Entry(
        Kind.INVALID,
        "{where}: `{key}` is `{found}`; ports are published on addresses of this machine.",
        "Write 127.0.0.1, another address of this machine, or 0.0.0.0 for all.",
        "{where}：`{key}` 为 `{found}`；端口只能发布到本机的 IP 地址。",
        "请写 127.0.0.1、本机的其他地址，或用 0.0.0.0 表示全部。",
    ),
    "config_dify_port_taken": Entry(
        Kind.INVALID,
        "{where}: port {port} is that of `{other}`, too.",
        "Give one of them another port.",
        "{where}：端口 {port} 同时被 `{other}` 使用。",
        "请为其中之一改用其他端口。",
    ),
    "config_dify_addressless": Entry(
        Kind.INVALID,
        "{where}: Dify is published on every address ({found}), and nothing says by which one browsers reach it.",
        "Write `dify.address: https://dify.example.com`.",
        "{where}：Dify 发布在所有地址（{found}）上，但没有说明浏览器使用哪个地址。",
        "请写 `dify.address: https://dify.example.com`。",
    ),
    "config_dify_origin": Entry(
        Kind.INVALID,
        "{where}: `{key}` is `{found}`: {reason}. Dify lies at the root of its host.",
        "Write it as https://dify.example.com or http://10.0.0.5:8088.",
        "{where}：`{key}` 为 `{found}`：{reason}。Dify 位于主机的根路径。",
        "请写成 https://dify.example.com 或 http://10.0.0.5:8088。",
    ),
    "config_dify_address_plain": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {found}, and `dify.tls` makes it HTTPS.",
        "Write https:// there, or leave `dify.tls` out.",
        "{where}：`{key}` 为 {found}，而 `dify.tls` 启用了 HTTPS。",
        "请改为 https://，或删除 `dify.tls`。",
    ),
    "config_dify_own_loopback": Entry(
        Kind.INVALID,
        "{where}: `{key}` leads to `{host}`, which in Dify's containers is the container itself.",
        "Write the name or address by which containers reach it, and let it listen there.",
        "{where}：`{key}` 指向 `{host}`，在 Dify 的容器中这是容器自身。",
        "请写容器可以访问的名称或地址，并让该服务在该地址上监听。",
    ),
    "config_dify_vectors_key": Entry(
        Kind.INVALID,
        "{where}: `{key}` is the key of a vector store of your own, and there is no `endpoint`.",
        "Write `endpoint` beside it, or leave it out: for a container one is made.",
        "{where}：`{key}` 是自有向量库的密钥，但没有设置 `endpoint`。",
        "请同时设置 `endpoint`；如使用容器请删除它，密钥会自动生成。",
    ),
    "config_dify_vectors_endpoint": Entry(
        Kind.INVALID,
        "{where}: `{key}` is `{found}`, and {kind} is reached as {form}.",
        "Write it in that form.",
        "{where}：`{key}` 为 `{found}`，而 {kind} 的地址格式为 {form}。",
        "请按该格式填写。",
    ),
    "config_dify_vectors_keyless": Entry(
        Kind.INVALID,
        "{where}: your own {kind} is named without its key: Dify would use the one that everybody knows.",
        "Write `key: ${{env:VECTORS_KEY}}` beside it.",
        "{where}：指定了自有的 {kind}，但没有密钥：Dify 会使用公开的默认密钥。",
        "请同时写 `key: ${{env:VECTORS_KEY}}`。",
    ),
    "config_dify_private_host": Entry(
        Kind.INVALID,
        "{where}: `{found}` is neither a network (CIDR, no bits behind its length) nor a domain.",
        "Write 10.1.2.0/24, 10.1.2.3 or crm.example.com.",
        "{where}：`{found}` 既不是网段（CIDR，主机位须为 0），也不是域名。",
        "请写 10.1.2.0/24、10.1.2.3 或 crm.example.com。",
    ),
    "config_dify_private_all": Entry(
        Kind.INVALID,
        "{where}: `{found}` is every address: workflows could reach Dify's own databases.",
        "Write only the networks that workflows are to reach.",
        "{where}：`{found}` 是全部地址：工作流将能访问 Dify 自己的数据库。",
        "请只写工作流需要访问的网段。",
    ),
    "config_dify_secret_literal": Entry(
        Kind.INVALID,
        "{where}: `{name}` is a secret by its name, and what is written here would be in rendered files.",
        "Write ${{env:{name}}}, or ${{file:PATH}}.",
        "{where}：从名称看 `{name}` 是密钥，写在这里会出现在渲染出的文件中。",
        "请写 ${{env:{name}}} 或 ${{file:PATH}}。",
    ),
    "config_dify_variable_name": Entry(
        Kind.INVALID,
        "{where}: `{name}` is no name of a variable.",
        "Use letters, digits and `_`, and begin with no digit.",
        "{where}：`{name}` 不是有效的变量名。",
        "请只使用字母、数字和 `_`，且不以数字开头。",
    ),
    "config_dify_variable_lines": Entry(
        Kind.INVALID,
        "{where}: `{name}` has a character in it that cannot be printed, a line break say.",
        "Write it in one line.",
        "{where}：`{name}` 含有不可打印的字符，例如换行。",
        "请写成一行。",
    ),
}

ENTRIES: dict[str, Entry] = {**_RULES, **_DEPLOYED}
