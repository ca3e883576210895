"""Errors of a Dify that is deployed: its topology, secrets and settings."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
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
}
