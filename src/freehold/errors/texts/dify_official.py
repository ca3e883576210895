"""Errors of Dify's own Compose installation."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "official_missing": Entry(
        Kind.NOT_FOUND,
        "{folder} is no Compose installation of Dify 1.0 or newer: {reason}.",
        "Name the folder that holds Dify's docker-compose.yaml and .env: --compose-dir .../dify/docker.",
        "{folder} 不是 Dify 1.0 及以上版本的 Compose 安装目录：{reason}。",
        "请指定 Dify 的 docker-compose.yaml 与 .env 所在目录：--compose-dir .../dify/docker。",
    ),
    "official_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}.",
        "`docker compose config -q` in that folder must pass first.",
        "无法读取 {path}：{reason}。",
        "请先确保在该目录运行 `docker compose config -q` 能通过。",
    ),
    "official_nothing_asked": Entry(
        Kind.INVALID,
        "It was not said what to patch.",
        "Give --ca FILE, --plugin-key FILE, --cure-502, --closed, or all; what is left out is not in the override file afterwards.",
        "未指定要修补的内容。",
        "请给出 --ca FILE、--plugin-key FILE、--cure-502、--closed 中的一项或多项；未给出的内容不会出现在覆盖文件中。",
    ),
    "official_nginx_unknown": Entry(
        Kind.UNSUPPORTED,
        "{folder} has no nginx of Dify's own (nginx/conf.d/default.conf.template), so there is nothing to cure.",
        "In the proxy that stands in its place, name a resolver and put upstreams into variables; or restart it after"
        " every restart of api or web.",
        "{folder} 中没有 Dify 自带的 nginx（nginx/conf.d/default.conf.template），无法修补。",
        "请在替代它的代理中配置 resolver 并用变量书写上游；或在 api、web 重启后重启该代理。",
    ),
    "official_override_exists": Entry(
        Kind.CONFLICT,
        "{path} is there already and is yours: it is not changed.",
        "Add these lines to it, and run the same command again for the files that they name:\n{lines}",
        "{path} 已存在且属于您，不会被改动。",
        "请把以下内容加入其中，然后再次运行同一命令以写入其中引用的文件：\n{lines}",
    ),
    "official_compose_file": Entry(
        Kind.CONFLICT,
        "{path} sets COMPOSE_FILE={chosen}, so Compose would not read {name}.",
        "Add it there, last: COMPOSE_FILE={chosen}:{name}",
        "{path} 设置了 COMPOSE_FILE={chosen}，Compose 不会读取 {name}。",
        "请把它加在最后：COMPOSE_FILE={chosen}:{name}",
    ),
    "official_unwritable": Entry(
        Kind.INVALID,
        "{path} cannot be written: {reason}.",
        "Run this as the user who owns the installation's folder.",
        "无法写入 {path}：{reason}。",
        "请以该安装目录所有者的身份运行。",
    ),
}
