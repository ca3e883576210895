"""Errors of what a configuration says of deployments."""

from freehold.errors.kinds import Entry, Kind

_NAMES: dict[str, Entry] = {
    "units_versions": Entry(
        Kind.UNSUPPORTED,
        "`{id}` has several versions ({versions}), and a deployment runs one of each model.",
        "Give each version an id of its own and lead a route to them, or deploy one after the other: requests move step by step.",
        "`{id}` 有多个版本（{versions}），而部署中每个模型只运行一个版本。",
        "请为每个版本设置单独的 id 并用路由指向它们，或逐个部署：请求会逐步转移。",
    ),
    "units_name_twice": Entry(
        Kind.INVALID,
        "The service of `{id}` would be called `{name}` on the network, and so is that of `{other}`.",
        "Give it another id, or put both models into one `service`.",
        "`{id}` 的服务在网络中将被称为 `{name}`，而 `{other}` 的服务也是这个名称。",
        "请改用其他 id，或让两个模型使用同一个 `service`。",
    ),
    "units_name_taken": Entry(
        Kind.INVALID,
        "{where}: the service of `{id}` would be called `{name}` on the network, and so is that of `{other}` ({first}).",
        "Give it another id, or put both models into one `service`.",
        "{where}：`{id}` 的服务在网络中将被称为 `{name}`，而 `{other}`（{first}）的服务也是这个名称。",
        "请改用其他 id，或让两个模型使用同一个 `service`。",
    ),
    "units_service_upstream": Entry(
        Kind.INVALID,
        "{where}: `{id}` and `{other}` ({first}) are to share the service `{service}`, and one of them is computed"
        " elsewhere.",
        "Leave `service` out at the model of the other server.",
        "{where}：`{id}` 与 `{other}`（{first}）要共用服务 `{service}`，但其中一个由外部服务计算。",
        "请删除由其他服务器提供的模型的 `service`。",
    ),
    "units_service_alone": Entry(
        Kind.INVALID,
        "{where}: `{id}` and `{other}` ({first}) are to share the service `{service}`, but vLLM, or the server of an"
        " image, serves one model.",
        "Leave `service` out: each gets a service of its own.",
        "{where}：`{id}` 与 `{other}`（{first}）要共用服务 `{service}`，但 vLLM 或自定义镜像的服务只提供一个模型。",
        "请删除 `service`：每个模型会有各自的服务。",
    ),
    "units_service_mixed": Entry(
        Kind.INVALID,
        "{where}: `{id}` and `{other}` ({first}) are to share the service `{service}`, but differ in `{name}`.",
        "Write the same `{name}` at both, or give one of them another `service`.",
        "{where}：`{id}` 与 `{other}`（{first}）要共用服务 `{service}`，但 `{name}` 不同。",
        "请让两者的 `{name}` 相同，或为其中之一改用其他 `service`。",
    ),
}

_KEYS: dict[str, Entry] = {
    "units_not_a_label": Entry(
        Kind.INVALID,
        "{where}: `{key}` is `{found}`; where services run, names are small letters, digits and `-`, and begin with a"
        " letter.",
        "Write {label}.",
        "{where}：`{key}` 为 `{found}`；部署环境中的名称只能由小写字母、数字和 `-` 组成，并以字母开头。",
        "请写 {label}。",
    ),
    "units_image_idle": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {image}, but nothing says what is started in it.",
        "Add `command`, with {{port}} where its port belongs, or `engine: vllm`; our own image is `deploy.image`.",
        "{where}：`{key}` 为 {image}，但没有说明在其中启动什么。",
        "请添加 `command`（端口处写 {{port}}）或 `engine: vllm`；我们自己的镜像由 `deploy.image` 指定。",
    ),
    "units_command_imageless": Entry(
        Kind.INVALID,
        "{where}: `{id}` is started by {program}, which our image does not have.",
        "Name the image that has it: `image`, or `deploy.image` for one that was made from ours.",
        "{where}：`{id}` 由 {program} 启动，而我们的镜像中没有它。",
        "请用 `image` 指定含有它的镜像；若镜像基于我们的镜像制作，请用 `deploy.image`。",
    ),
    "units_scale_upside_down": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {most}, less than the {least} copies that always run.",
        "Raise it to {least} or more, or lower `scale.least`.",
        "{where}：`{key}` 为 {most}，少于始终运行的 {least} 个副本。",
        "请改为不小于 {least}，或减小 `scale.least`。",
    ),
    "units_steps": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {steps}; a new version's share must grow from step to step, and end at 100.",
        "Write, for example, [5, 50, 100]; [100] moves all requests at once.",
        "{where}：`{key}` 为 {steps}；新版本的份额必须逐步增大，并以 100 结束。",
        "例如写 [5, 50, 100]；[100] 表示一次切换全部请求。",
    ),
    "units_client_ca": Entry(
        Kind.INVALID,
        "{where}: with `{key}` the gateway's own health checks would be refused, as they have no certificate.",
        "Ask clients for certificates in front of the gateway, or leave it out.",
        "{where}：设置 `{key}` 后，网关自身的健康检查因没有证书而会被拒绝。",
        "请在网关之前校验客户端证书，或删除该设置。",
    ),
    "units_loopback": Entry(
        Kind.INVALID,
        "{where}: `{id}` is at {url}, and in a container that is the container itself.",
        "Write the address or name by which other machines reach that server.",
        "{where}：`{id}` 位于 {url}，而在容器中这指向容器自身。",
        "请写其他机器访问该服务所用的地址或名称。",
    ),
}

_PLACES: dict[str, Entry] = {
    "units_source_unpulled": Entry(
        Kind.INVALID,
        "{where}: `{id}` is {source}, in a registry; a service reads what is in the store.",
        "Run `freehold models pull {source}` and write {name}:TAG.",
        "{where}：`{id}` 为 {source}，位于镜像仓库中；服务只读取本地仓库中的模型。",
        "请运行 `freehold models pull {source}`，然后写 {name}:TAG。",
    ),
    "units_source_unfetched": Entry(
        Kind.INVALID,
        "{where}: `{id}` is {source}; no pod of a cluster downloads it.",
        "Fetch it into the volume of `deploy.storage` and write its path, or convert it and write NAME:TAG.",
        "{where}：`{id}` 为 {source}；集群中的 Pod 不会下载它。",
        "请将其获取到 `deploy.storage` 的卷中并写其路径，或转换后写 NAME:TAG。",
    ),
    "units_no_claim": Entry(
        Kind.INVALID,
        "{where}: `{id}` is the path {source}, and no volume of the cluster holds it.",
        "Name the PersistentVolumeClaim in `deploy.storage.claim`, or convert the model and write NAME:TAG.",
        "{where}：`{id}` 为路径 {source}，而集群中没有包含它的卷。",
        "请在 `deploy.storage.claim` 中指定 PersistentVolumeClaim，或转换模型后写 NAME:TAG。",
    ),
    "units_unclaimed": Entry(
        Kind.INVALID,
        "{where}: `{id}` is the path {source}, which is not below {path}, where the volume is mounted ({first}).",
        "Move the model there, or correct `deploy.storage.path`.",
        "{where}：`{id}` 为路径 {source}，不在卷的挂载路径 {path}（{first}）之下。",
        "请将模型移到该路径下，或更正 `deploy.storage.path`。",
    ),
    "units_no_registry": Entry(
        Kind.INVALID,
        "{where}: `{id}` is {source} of the store on this machine, which pods do not see.",
        "Name in `deploy.pull_from` a registry and path; `freehold models push {source} oci://PATH/NAME:TAG` brings it there.",
        "{where}：`{id}` 为本机仓库中的 {source}，Pod 无法访问。",
        "请在 `deploy.pull_from` 中指定镜像仓库及路径；用 `freehold models push {source} oci://PATH/NAME:TAG` 推送到那里。",
    ),
}

_NOTES: dict[str, Entry] = {
    "note_deploy_ignored": Entry(
        Kind.INVALID,
        "{where}: `{key}` has no effect where the target is {target}.",
        "Leave it out, unless the same file is for another target, too.",
        "{where}：目标为 {target} 时 `{key}` 不起作用。",
        "若该文件不用于其他目标，请删除。",
    ),
    "note_keys_apart": Entry(
        Kind.INVALID,
        "{where}: without `access.database` each copy of the gateway has keys, limits, usage and audit of its own, and they end with its pod.",
        "Name a PostgreSQL: `access: {{database: '${{env:FREEHOLD_DATABASE}}'}}`. The key that the deployment makes counts without one.",
        "{where}：未设置 `access.database` 时，网关的每个副本各有自己的密钥、限额、用量和审计，并随 Pod 消失。",
        "请指定 PostgreSQL：`access: {{database: '${{env:FREEHOLD_DATABASE}}'}}`。部署自行生成的密钥不受影响。",
    ),
    "note_ingress_plain": Entry(
        Kind.INVALID,
        "{where}: clients reach {host} without HTTPS: keys and texts can be read on their way.",
        "Name a ClusterIssuer in `issuer`, or in `secret` a certificate that is there.",
        "{where}：客户端访问 {host} 不经 HTTPS：密钥和内容在途中可被读取。",
        "请在 `issuer` 中指定 ClusterIssuer，或在 `secret` 中指定已有的证书。",
    ),
}

ENTRIES: dict[str, Entry] = _NAMES | _KEYS | _PLACES | _NOTES
