"""Errors of pushing to and pulling from registries."""

from freehold.errors.kinds import Entry, Kind

_REACHING: dict[str, Entry] = {
    "registry_unreachable": Entry(
        Kind.UNAVAILABLE,
        "The registry {registry} cannot be reached, or stopped answering: {reason}.",
        "See that it runs and may be reached from here (`network.proxy`, HTTPS_PROXY, NO_PROXY). The same command goes"
        " on where this one ended.",
        "无法连接镜像仓库 {registry}，或其停止响应：{reason}。",
        "请确认它正在运行且可从本机访问（`network.proxy`、HTTPS_PROXY、NO_PROXY）。重新运行同一命令会从中断处继续。",
    ),
    "registry_untrusted": Entry(
        Kind.INVALID,
        "No authority that this machine knows vouches for the certificate of {registry}: {reason}.",
        "Give the authority's PEM file: `network: {{ca: PATH}}` in freehold.yaml, or SSL_CERT_FILE.",
        "本机信任的证书颁发机构均未为 {registry} 的证书担保：{reason}。",
        "请提供颁发机构的 PEM 文件：在 freehold.yaml 中写 `network: {{ca: PATH}}`，或设置 SSL_CERT_FILE。",
    ),
    "registry_without_tls": Entry(
        Kind.INVALID,
        "{registry} does not speak TLS.",
        "If it really is meant to be asked without encryption, add --plain-http.",
        "{registry} 不支持 TLS。",
        "如果确实要以不加密方式访问，请加上 --plain-http。",
    ),
    "registry_refused": Entry(
        Kind.UPSTREAM,
        "{place} refused (status {status}): {reason}",
        "Its words say why; its own log says more. See that the name behind oci:// is a repository of that registry.",
        "{place} 拒绝了请求（状态码 {status}）：{reason}",
        "原因见上述信息，更多细节见镜像仓库的日志。请确认 oci:// 后面是该仓库中的有效名称。",
    ),
    "registry_contended": Entry(
        Kind.CONFLICT,
        "Too many others write the tag {tag} of {place} at this moment.",
        "Nothing is lost; run the same command again in a moment.",
        "当前有太多其他进程在写入 {place} 的标签 {tag}。",
        "没有丢失任何内容；请稍后重新运行同一命令。",
    ),
}

_LOGIN: dict[str, Entry] = {
    "registry_login_needed": Entry(
        Kind.UNAUTHENTICATED,
        "{registry} wants to know who asks for {place}, or does not accept the name and password it was given.",
        "Run `docker login {registry}` (its file, or DOCKER_CONFIG, is read), or set FREEHOLD_REGISTRY_USERNAME and"
        " FREEHOLD_REGISTRY_PASSWORD.",
        "{registry} 要求对 {place} 的访问进行身份验证，或不接受所提供的用户名和密码。",
        "请运行 `docker login {registry}`（将读取其配置文件或 DOCKER_CONFIG），或设置 FREEHOLD_REGISTRY_USERNAME 与"
        " FREEHOLD_REGISTRY_PASSWORD。",
    ),
    "registry_forbidden": Entry(
        Kind.FORBIDDEN,
        "{place} may not be asked for this: {reason}",
        "Ask the registry's owner for the right to push to it or pull from it, or log in as another user.",
        "无权对 {place} 执行此操作：{reason}",
        "请向镜像仓库的管理员申请推送或拉取权限，或以其他用户登录。",
    ),
    "registry_token_unsafe": Entry(
        Kind.INVALID,
        "{registry} sends us to {realm} for a token, where a password would be less protected than on the way to itself.",
        "Correct the token service's address in the registry's settings: it has to be an https:// address.",
        "{registry} 要求到 {realm} 获取令牌，而密码在那里受到的保护弱于仓库本身。",
        "请在镜像仓库的设置中更正令牌服务的地址：必须是 https:// 地址。",
    ),
    "registry_login_unreadable": Entry(
        Kind.INVALID,
        "{path}, which says who we are to registries, cannot be used: {reason}.",
        "Correct it, or run `docker login` anew.",
        "无法使用记录仓库登录信息的 {path}：{reason}。",
        "请更正该文件，或重新运行 `docker login`。",
    ),
    "registry_login_helper": Entry(
        Kind.INVALID,
        "The credential helper {program} gave nothing: {reason}.",
        "Install it and put it on PATH, or take it out of Docker's config.json (`credHelpers`, `credsStore`).",
        "凭据助手 {program} 未返回结果：{reason}。",
        "请安装并加入 PATH，或从 Docker 的 config.json 中删除（`credHelpers`、`credsStore`）。",
    ),
}

_CONTENT: dict[str, Entry] = {
    "registry_digest_wrong": Entry(
        Kind.UPSTREAM,
        "{place} sent something else than was asked for: {expected} was wanted, {found} came.",
        "Nothing of it was kept. A proxy or cache on the way, or the registry's own disk, is damaged: push it again.",
        "{place} 发送的内容与请求不符：需要 {expected}，收到 {found}。",
        "未保留任何内容。可能是途中的代理、缓存或仓库磁盘损坏：请重新推送。",
    ),
    "registry_blob_missing": Entry(
        Kind.UPSTREAM,
        "{place} names {digest}, and does not have it.",
        "Push the artifact again from a machine that has it: only what is missing is sent.",
        "{place} 引用了 {digest}，但其中并没有该内容。",
        "请从拥有该制品的机器重新推送：只会发送缺失的部分。",
    ),
    "registry_nothing_there": Entry(
        Kind.NOT_FOUND,
        "There is no {reference} in {place}; its tags: {tags}",
        "Correct the name or the tag; `freehold models push NAME oci://{place}:{reference}` puts it there.",
        "{place} 中没有 {reference}；现有标签：{tags}",
        "请更正名称或标签；`freehold models push NAME oci://{place}:{reference}` 可将其推送到那里。",
    ),
    "registry_tag_wanted": Entry(
        Kind.INVALID,
        "{place} has neither a tag `latest` nor a number; its tags: {tags}",
        "Name one: oci://{place}:TAG",
        "{place} 既没有 `latest` 标签也没有数字标签；现有标签：{tags}",
        "请指定一个：oci://{place}:TAG",
    ),
    "registry_not_artifact": Entry(
        Kind.UNSUPPORTED,
        "{place}, {reference} is no model artifact of Freehold: {reason}.",
        "Pull what `freehold models push` put there. An image (`push --as image`) is for containers: mount it, and"
        " serve the folder.",
        "{place} 的 {reference} 不是 Freehold 模型制品：{reason}。",
        "请拉取由 `freehold models push` 推送的内容。镜像（`push --as image`）供容器使用：请挂载后直接服务该目录。",
    ),
    "registry_target_wanted": Entry(
        Kind.INVALID,
        "It is not known where {name} should be pushed to: it never was in a registry.",
        "Say it once: freehold models push {name} oci://HOST/{name}",
        "不知道应将 {name} 推送到哪里：它从未出现在任何镜像仓库中。",
        "请指定一次：freehold models push {name} oci://HOST/{name}",
    ),
    "registry_place_wanted": Entry(
        Kind.INVALID,
        "{source} is no place in a registry.",
        "Write it as oci://HOST/REPOSITORY:TAG.",
        "{source} 不是镜像仓库中的位置。",
        "请写成 oci://HOST/REPOSITORY:TAG。",
    ),
}

ENTRIES: dict[str, Entry] = {**_REACHING, **_LOGIN, **_CONTENT}
