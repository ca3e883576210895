"""Errors of Kubernetes."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "kubernetes_name": Entry(
        Kind.INVALID,
        "{key} is {value!r}, which Kubernetes takes neither as a namespace nor as a label.",
        "Write at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.",
        "{key} 为 {value!r}，不能用作 Kubernetes 的命名空间或标签。",
        "请使用不超过 63 个字符的 a-z、0-9 和 -，首尾须为字母或数字。",
    ),
    "kubernetes_too_old": Entry(
        Kind.UNSUPPORTED,
        "deploy.kubernetes is {version}; what is rendered needs {oldest} at least.",
        "Update the cluster, or run the models on one machine: deploy: {{target: compose}}.",
        "deploy.kubernetes 为 {version}；生成的内容至少需要 {oldest}。",
        "请升级集群，或在单机上运行模型：deploy: {{target: compose}}。",
    ),
    "kubernetes_config_too_large": Entry(
        Kind.INVALID,
        "The configuration of {service} has {size} bytes; a ConfigMap holds {limit}.",
        "Put fewer models into one service (models[].service), or shorten what they carry.",
        "{service} 的配置为 {size} 字节；ConfigMap 最多容纳 {limit} 字节。",
        "请减少同一服务中的模型（models[].service），或缩短其配置内容。",
    ),
    "kubernetes_no_claim": Entry(
        Kind.INVALID,
        "{service} reads {source}, a path of this machine, and deploy.storage.claim names no volume that has it.",
        "Set deploy.storage: {{claim: NAME, path: FOLDER}} and put the files there, or push the model to a registry and"
        " set deploy.pull_from.",
        "{service} 读取本机路径 {source}，而 deploy.storage.claim 未指定包含它的卷。",
        "请设置 deploy.storage: {{claim: 名称, path: 文件夹}} 并将文件放入其中；或将模型推送到镜像仓库并设置 deploy.pull_from。",
    ),
    "kubernetes_unclaimed": Entry(
        Kind.INVALID,
        "{service} reads {source}, which is not below {path}, where the claim is mounted.",
        "Move the model below {path}, or set deploy.storage.path to a folder that has both.",
        "{service} 读取 {source}，它不在卷的挂载路径 {path} 之下。",
        "请将模型移至 {path} 之下，或将 deploy.storage.path 设为同时包含二者的文件夹。",
    ),
    "kubernetes_unreachable": Entry(
        Kind.INVALID,
        "No pod would find {model}: its source {source} is on this machine only.",
        "Push it (freehold models push) and set deploy.pull_from, or put its files on the claim and write their path.",
        "任何 Pod 都找不到 {model}：其来源 {source} 只在本机上。",
        "请推送该模型（freehold models push）并设置 deploy.pull_from，或将其文件放入卷中并写明路径。",
    ),
}
