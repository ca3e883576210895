"""Errors of releases, plans and locks."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
    "deploy_busy": Entry(
        Kind.CONFLICT,
        "{user} changes this deployment: `freehold {what}`, process {pid}, since {since}.",
        "Wait for its end, or ask {user}; `freehold status` shows how far it is.",
        "{user} 正在更改此部署：`freehold {what}`，进程 {pid}，开始于 {since}。",
        "请等待其结束，或联系 {user}；`freehold status` 显示进度。",
    ),
    "deploy_held_elsewhere": Entry(
        Kind.CONFLICT,
        "{user} on {host} changes this deployment: `freehold {what}`, process {pid}, since {since}.",
        "Wait for its end. Where that process is gone, which cannot be told from here, remove {path}.",
        "{host} 上的 {user} 正在更改此部署：`freehold {what}`，进程 {pid}，开始于 {since}。",
        "请等待其结束。若该进程已不存在（此处无法判断），请删除 {path}。",
    ),
    "release_absent": Entry(
        Kind.NOT_FOUND,
        "There is no release {number}. There are: {known}.",
        "Name one of these; `freehold status` shows them.",
        "没有版本 {number}。现有：{known}。",
        "请使用其中之一；`freehold status` 会列出它们。",
    ),
    "release_none": Entry(
        Kind.NOT_FOUND,
        "Nothing is deployed under the name {name}.",
        "Deploy it: `freehold deploy`. Where it was deployed with another FREEHOLD_HOME or `deploy.name`, use that.",
        "名称 {name} 下没有任何部署。",
        "请部署：`freehold deploy`。若使用了其他 FREEHOLD_HOME 或 `deploy.name` 部署，请改用它。",
    ),
    "release_first": Entry(
        Kind.CONFLICT,
        "No release before {number} was in force, so there is nothing to go back to.",
        "Mend the configuration and run `freehold deploy`; `freehold down` stops everything.",
        "版本 {number} 之前没有生效过的版本，无法回退。",
        "请修正配置并运行 `freehold deploy`；`freehold down` 会停止全部服务。",
    ),
    "release_current": Entry(
        Kind.CONFLICT,
        "Release {number} is in force already.",
        "Nothing to do; `freehold status` shows the others.",
        "版本 {number} 已在生效。",
        "无需操作；`freehold status` 会列出其他版本。",
    ),
    "deployment_ambiguous": Entry(
        Kind.INVALID,
        "There are several deployments: {known}.",
        "Say which one: `--name NAME`, or run it in the folder of its configuration.",
        "存在多个部署：{known}。",
        "请指定其一：`--name 名称`，或在其配置所在的目录中运行。",
    ),
    "deploy_target_rendered": Entry(
        Kind.UNSUPPORTED,
        "`deploy.target: {target}` is only rendered, not rolled out.",
        "Run `freehold render {target} --output DIR` and start it as the files there say.",
        "`deploy.target: {target}` 只能渲染，不能自动发布。",
        "请运行 `freehold render {target} --output 目录`，并按其中的说明启动。",
    ),
    "down_unsure": Entry(
        Kind.INVALID,
        "`down` also removes keys, usage, audit and caches of the services: {folders}.",
        "Add `--keep-data` to keep them, or `--yes` to remove them.",
        "`down` 还会删除服务的密钥、用量、审计和缓存：{folders}。",
        "加上 `--keep-data` 保留，或加上 `--yes` 删除。",
    ),
    "data_unremovable": Entry(
        Kind.FORBIDDEN,
        "Everything is stopped; {path} could not be removed: {reason}.",
        "Containers write as a user of their own: remove it as root, `sudo rm -r {path}`.",
        "服务已全部停止；但无法删除 {path}：{reason}。",
        "容器以自己的用户写入：请以 root 删除，`sudo rm -r {path}`。",
    ),
    "release_damaged": Entry(
        Kind.UNAVAILABLE,
        "{path} cannot be understood: {reason}.",
        "Restore the file from a backup; what runs is not touched by it.",
        "无法解析 {path}：{reason}。",
        "请从备份恢复该文件；正在运行的服务不受影响。",
    ),
    "releases_unwritable": Entry(
        Kind.UNAVAILABLE,
        "Releases cannot be written to {path}: {reason}.",
        "Give this user the right to write there and free space, or set FREEHOLD_HOME.",
        "无法将版本写入 {path}：{reason}。",
        "请授予当前用户写权限并释放空间，或设置 FREEHOLD_HOME。",
    ),
}
