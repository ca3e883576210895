"""Errors of rolling out a release."""

from freehold.errors.kinds import Entry, Kind

_WAY: dict[str, Entry] = {
    "deploy_unit_failed": Entry(
        Kind.UNAVAILABLE,
        "{unit} did not start: {reason}",
        "{remedy}",
        "{unit} 未能启动：{reason}",
        "{remedy}",
    ),
    "deploy_unit_slow": Entry(
        Kind.UNAVAILABLE,
        "{unit} was not ready within {seconds} s: {reason}",
        "`freehold logs {unit}` shows what it does; a slower disk is told by `deploy.disk_mb_s`.",
        "{unit} 在 {seconds} 秒内未就绪：{reason}",
        "`freehold logs {unit}` 显示其日志；若磁盘较慢，请调整 `deploy.disk_mb_s`。",
    ),
    "deploy_unit_lost": Entry(
        Kind.UNAVAILABLE,
        "{unit} was ready and is not any more: {reason}",
        "See why it ended (memory, a crash, somebody stopped it), then deploy again.",
        "{unit} 曾就绪，现已不可用：{reason}",
        "请查明其结束的原因（内存、崩溃或被人停止），然后重新部署。",
    ),
    "deploy_differs": Entry(
        Kind.CONFLICT,
        "The new version of {model} answers otherwise than the one in force. {reason}",
        "If that is meant, deploy with `--accept-differences`; else look for what changed: `freehold deploy --plan`.",
        "{model} 的新版本与当前版本的回答不同。{reason}",
        "若符合预期，请使用 `--accept-differences` 部署；否则请查看变更：`freehold deploy --plan`。",
    ),
    "deploy_gateway_deaf": Entry(
        Kind.UNAVAILABLE,
        "The gateway did not take up what it was told within {seconds} s: {reason}",
        "`freehold logs gateway` says why.",
        "网关在 {seconds} 秒内未采纳新的配置：{reason}",
        "原因见 `freehold logs gateway`。",
    ),
    "deploy_gateway_unmeasured": Entry(
        Kind.UNAVAILABLE,
        "The gateway answers a request for its metrics with status {status}, so a new version cannot be watched.",
        "`freehold logs gateway` says why.",
        "网关对指标请求返回状态码 {status}，因此无法观察新版本。",
        "原因见 `freehold logs gateway`。",
    ),
    "deploy_gateway_changes": Entry(
        Kind.CONFLICT,
        "The gateway itself has to be replaced ({fields}), which interrupts requests for some seconds.",
        "Run `freehold deploy --gateway` at a quiet time.",
        "网关本身需要替换（{fields}），请求会中断数秒。",
        "请在空闲时运行 `freehold deploy --gateway`。",
    ),
    "deploy_stuck": Entry(
        Kind.UNAVAILABLE,
        "The rollout could not be taken back, so both versions run: {reason}",
        "{remedy} Then run `freehold rollback`, or `freehold deploy` to go on.",
        "发布无法撤回，因此两个版本同时在运行：{reason}",
        "{remedy} 然后运行 `freehold rollback`，或运行 `freehold deploy` 继续。",
    ),
    "deploy_interrupted": Entry(
        Kind.CONFLICT,
        "The rollout of release {number} was interrupted.",
        "`freehold deploy` continues, `freehold rollback` goes back.",
        "版本 {number} 的发布被中断。",
        "`freehold deploy` 继续，`freehold rollback` 回退。",
    ),
    "deploy_aborted": Entry(
        Kind.CONFLICT,
        "Somebody ended the rollout of release {number}.",
        "Nothing to do: the release before it is in force.",
        "版本 {number} 的发布被人终止。",
        "无需操作：之前的版本仍在生效。",
    ),
    "deploy_image_unpinned": Entry(
        Kind.UPSTREAM,
        "No digest is known, so these are used by their tags: {images}. {reason}",
        "Nothing to do where only the cluster reaches that registry; else check the name, the network and `docker login`.",
        "无法得知摘要，因此按标签使用：{images}。{reason}",
        "若只有集群能访问该镜像仓库，则无需操作；否则请检查名称、网络以及 `docker login`。",
    ),
}

_DIFY: dict[str, Entry] = {
    "dify_version_differs": Entry(
        Kind.CONFLICT,
        "Dify {there} is there, and the configuration wants {wanted}: its databases would be changed, and nothing undoes"
        " that.",
        "`freehold dify upgrade --to {wanted}` saves them first. Or write `dify.version: {there}`.",
        "当前的 Dify 版本为 {there}，而配置要求 {wanted}：这会修改其数据库，且无法撤销。",
        "请使用 `freehold dify upgrade --to {wanted}`，它会先备份；或改回 `dify.version: {there}`。",
    ),
    "dify_job_failed": Entry(
        Kind.UPSTREAM,
        "Dify's job {service} failed, and what needs it was not changed: {cause}",
        "{fix} Then `freehold deploy` again.",
        "Dify 的任务 {service} 失败，依赖它的服务没有变更：{cause}",
        "{fix} 之后重新执行 `freehold deploy`。",
    ),
}

ENTRIES: dict[str, Entry] = {**_WAY, **_DIFY}
