"""Errors of Dify's console API."""

from freehold.errors.kinds import Entry, Kind

_REACHING: dict[str, Entry] = {
    "dify_console_unreachable": Entry(
        Kind.UNAVAILABLE,
        "Dify at {address} cannot be reached, or stopped answering: {reason}.",
        "See that it runs and that `dify.url` is what a browser on this machine opens. It is asked straight, never"
        " through a proxy.",
        "无法连接 {address} 上的 Dify，或其停止响应：{reason}。",
        "请确认它正在运行，且 `dify.url` 就是本机浏览器打开的地址。访问时直接连接，不经过代理。",
    ),
    "dify_console_untrusted": Entry(
        Kind.INVALID,
        "No authority that this machine knows vouches for the certificate of {address}: {reason}.",
        "Give the authority's PEM file: `network: {{ca: PATH}}` in freehold.yaml, or SSL_CERT_FILE.",
        "本机信任的证书颁发机构均未为 {address} 的证书担保：{reason}。",
        "请提供颁发机构的 PEM 文件：在 freehold.yaml 中写 `network: {{ca: PATH}}`，或设置 SSL_CERT_FILE。",
    ),
    "dify_console_moved": Entry(
        Kind.INVALID,
        "{address} sends every request on to {location}.",
        "Write the address that it sends to: `dify: {{url: {location}}}`. It is not followed by itself, since a"
        " password would go where nobody named.",
        "{address} 将所有请求重定向到 {location}。",
        "请写入重定向后的地址：`dify: {{url: {location}}}`。不会自动跟随，以免密码被发往未声明的地址。",
    ),
    "dify_console_insecure": Entry(
        Kind.INVALID,
        "Dify at {address} is set up for HTTPS: its cookies are not sent over plain HTTP, so nobody can sign in here.",
        "Write its https:// address as `dify.url`: the one of its CONSOLE_API_URL and CONSOLE_WEB_URL.",
        "{address} 上的 Dify 按 HTTPS 配置：其 Cookie 不会通过明文 HTTP 发送，因此无法在此地址登录。",
        "请将 `dify.url` 写为它的 https:// 地址，即 CONSOLE_API_URL 与 CONSOLE_WEB_URL 中的地址。",
    ),
    "dify_console_absent": Entry(
        Kind.INVALID,
        "What answers at {address} is not Dify's console: {reason}.",
        "Write the address at which a browser shows Dify's sign-in page, without a path. Where api and web have"
        " addresses of their own, it is the one of CONSOLE_API_URL.",
        "{address} 上应答的不是 Dify 控制台：{reason}。",
        "请写入浏览器中显示 Dify 登录页的地址，不带路径。若 api 与 web 使用不同地址，则为 CONSOLE_API_URL 中的地址。",
    ),
    "dify_console_not_ready": Entry(
        Kind.UNAVAILABLE,
        "Dify at {address} did not become ready within {seconds} s; the last that was seen: {seen}.",
        "Look at the logs of its api and db_postgres services. A first start with migrations may take minutes; the same"
        " command waits again.",
        "{address} 上的 Dify 未在 {seconds} 秒内就绪；最后一次看到的是：{seen}。",
        "请查看其 api 与 db_postgres 服务的日志。首次启动并执行迁移可能需要数分钟；重新运行同一命令会再次等待。",
    ),
    "dify_console_shape": Entry(
        Kind.UPSTREAM,
        "Dify answered {step} (status {status}) in another shape than is known: {reason}. What came: {got}. Dify says"
        " that it is of version {version}.",
        "Nothing after this step was done, and what was done before stays: the same command goes on there. Until this"
        " version is known here, `freehold dify connect --print` gives the forms to fill in by hand.",
        "Dify 对 {step} 的应答（状态码 {status}）与已知格式不同：{reason}。收到的内容：{got}。Dify 自称版本为 {version}。",
        "此步骤之后的操作均未执行，之前已完成的保留；重新运行同一命令会从此处继续。在支持该版本之前，可用"
        " `freehold dify connect --print` 输出需手工填写的表单。",
    ),
    "dify_console_refused": Entry(
        Kind.UPSTREAM,
        "Dify refused {step} (status {status}): {reason}",
        "Its words say why; the log of its api service says more. What was done before stays: the same command goes on.",
        "Dify 拒绝了 {step}（状态码 {status}）：{reason}",
        "原因见上述信息，更多细节见其 api 服务的日志。之前已完成的操作保留；可重新运行同一命令继续。",
    ),
}

_SIGNING_IN: dict[str, Entry] = {
    "dify_console_password": Entry(
        Kind.UNAUTHENTICATED,
        "Dify does not accept the password of {email}: {reason}",
        "Try them in a browser, and mend `dify.email` and `dify.password`. Each try here counts as up to two of the five"
        " wrong ones after which Dify locks the account for a day.",
        "Dify 不接受 {email} 的密码：{reason}",
        "请先在浏览器中验证，再修正 `dify.email` 与 `dify.password`。此处每次尝试最多计为两次错误；累计五次错误后 Dify 会锁定"
        "该账户一天。",
    ),
    "dify_console_locked": Entry(
        Kind.OVERLOADED,
        "Dify has locked {email} after too many wrong passwords: {reason}",
        "It opens again a day after the first of them (LOGIN_LOCKOUT_DURATION); until then another administrator's"
        " account works. Try the right password in a browser first.",
        "因密码错误次数过多，Dify 已锁定 {email}：{reason}",
        "自首次错误起一天后自动解锁（LOGIN_LOCKOUT_DURATION）；在此之前可使用其他管理员账户。请先在浏览器中验证正确的密码。",
    ),
    "dify_console_sign_in": Entry(
        Kind.FORBIDDEN,
        "Dify does not let {email} in: {reason}",
        "See in the console that the account exists, is active and belongs to a workspace.",
        "Dify 不允许 {email} 登录：{reason}",
        "请在控制台确认该账户存在、处于启用状态且属于某个工作空间。",
    ),
    "dify_console_session": Entry(
        Kind.UNAUTHENTICATED,
        "Dify does not know the session any more at {step}: {reason}",
        "Run the same command again: it signs in anew and goes on. If it happens each time, a proxy between takes the"
        " cookies or the header X-CSRF-Token away.",
        "执行 {step} 时 Dify 已不再承认该会话：{reason}",
        "请重新运行同一命令：它会重新登录并继续。若每次都发生，则中间的代理丢弃了 Cookie 或请求头 X-CSRF-Token。",
    ),
    "dify_console_admin_key": Entry(
        Kind.UNAUTHENTICATED,
        "Dify at {address} does not accept `dify.admin_key` for this workspace: {reason}",
        "Its api service needs ADMIN_API_KEY_ENABLE=true and the same ADMIN_API_KEY, and `dify.workspace` the id of a"
        " workspace that has an owner.",
        "{address} 上的 Dify 不接受针对该工作空间的 `dify.admin_key`：{reason}",
        "其 api 服务需设置 ADMIN_API_KEY_ENABLE=true 和相同的 ADMIN_API_KEY，且 `dify.workspace` 必须是有所有者的工作空间 ID。",
    ),
    "dify_console_workspace": Entry(
        Kind.INVALID,
        "`dify.admin_key` acts as the owner of a workspace, and `dify.workspace` does not say of which, at {address}.",
        "Write the workspace's id. It is in Dify's database (`select id, name from tenants;`), and in the browser's"
        " developer tools in the answer to /console/api/workspaces/current.",
        "`dify.admin_key` 以某个工作空间所有者的身份操作，但 `dify.workspace` 未说明是 {address} 上的哪一个。",
        "请写入工作空间 ID。可在 Dify 的数据库中查到（`select id, name from tenants;`），也可在浏览器开发者工具中查看"
        " /console/api/workspaces/current 的应答。",
    ),
    "dify_console_other_workspace": Entry(
        Kind.CONFLICT,
        "The account works in workspace {current}, and `dify.workspace` is {wanted}.",
        "Switch the workspace in the console with this account, or leave `dify.workspace` out. It is not switched from"
        " here: a browser that is open would change under its user.",
        "该账户当前处于工作空间 {current}，而 `dify.workspace` 为 {wanted}。",
        "请用该账户在控制台切换工作空间，或去掉 `dify.workspace`。此处不会自动切换，以免影响正在使用浏览器的用户。",
    ),
    "dify_console_forbidden": Entry(
        Kind.FORBIDDEN,
        "The account may not do this in Dify: {step}: {reason}",
        "Use an account that is owner or administrator of the workspace; for plugins, one that the workspace's plugin"
        " permissions let install.",
        "该账户无权在 Dify 中执行此操作：{step}：{reason}",
        "请使用工作空间的所有者或管理员账户；安装插件时，还需是工作空间插件权限允许安装的账户。",
    ),
}

_SETTING_UP: dict[str, Entry] = {
    "dify_console_not_set_up": Entry(
        Kind.UNAVAILABLE,
        "Dify has no administrator yet: {step}.",
        "Open its address in a browser and make one; whoever does it first owns this Dify. One that Freehold deployed is"
        " set up by `freehold dify connect` itself.",
        "Dify 尚无管理员：{step}。",
        "请在浏览器中打开其地址并创建管理员；最先完成者即拥有该 Dify。由 Freehold 部署的 Dify 由 `freehold dify connect` 自动设置。",
    ),
    "dify_console_setup_password": Entry(
        Kind.INVALID,
        "Dify takes no such password for its administrator.",
        "It has 8 characters or more, with a letter and a digit.",
        "Dify 不接受这样的管理员密码。",
        "密码至少 8 个字符，且同时包含字母和数字。",
    ),
    "dify_console_init_password": Entry(
        Kind.UNAUTHENTICATED,
        "Dify wants its INIT_PASSWORD before it gets an administrator: {reason}",
        "It is in the environment of Dify's api service: with Freehold in the deployment's file of secrets.",
        "在创建管理员之前，Dify 要求提供 INIT_PASSWORD：{reason}",
        "它位于 Dify 的 api 服务的环境变量中；由 Freehold 部署时，在该部署的密钥文件中。",
    ),
}

_PLUGINS: dict[str, Entry] = {
    "dify_console_plugin_large": Entry(
        Kind.TOO_LARGE,
        "Dify does not take the package {name} of {mebibytes} MiB: {reason}",
        "Raise PLUGIN_MAX_PACKAGE_SIZE of its api and plugin_daemon services (bytes; 52428800 by default), and the body"
        " size of the proxy in front: NGINX_CLIENT_MAX_BODY_SIZE, or the Ingress's annotation.",
        "Dify 不接受大小为 {mebibytes} MiB 的插件包 {name}：{reason}",
        "请调大其 api 与 plugin_daemon 服务的 PLUGIN_MAX_PACKAGE_SIZE（字节；默认 52428800），以及前置代理的请求体上限："
        "NGINX_CLIENT_MAX_BODY_SIZE，或 Ingress 的相应注解。",
    ),
    "dify_console_plugin_signature": Entry(
        Kind.FORBIDDEN,
        "Dify's plugin daemon does not accept the signature of {name}: {reason}",
        "A package that was repacked needs a signature of your own, and the daemon its public key:"
        " THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED=true and THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS=/path/key.pem."
        " If it says that the plugin claims to be from Langgenius, it also needs"
        " ENFORCE_LANGGENIUS_PLUGIN_SIGNATURES=false. FORCE_VERIFYING_SIGNATURE stays true.",
        "Dify 的插件守护进程不接受 {name} 的签名：{reason}",
        "重新打包的插件需要自有签名，且守护进程需要其公钥：THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED=true 与"
        " THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS=/path/key.pem。若提示插件自称来自 Langgenius，还需设置"
        " ENFORCE_LANGGENIUS_PLUGIN_SIGNATURES=false。FORCE_VERIFYING_SIGNATURE 保持 true。",
    ),
    "dify_console_plugin_failed": Entry(
        Kind.UPSTREAM,
        "The plugin {name} could not be installed: {reason}",
        "The log of plugin_daemon says more. In a closed network it needs a package with its wheels (`freehold bundle"
        " create --plugin`) or an index (PIP_MIRROR_URL); 'no activity for 120 seconds' needs a larger"
        " PYTHON_ENV_INIT_TIMEOUT. What was left half done was taken out; the same command begins again.",
        "插件 {name} 安装失败：{reason}",
        "更多细节见 plugin_daemon 的日志。在封闭网络中，需要带 wheel 的插件包（`freehold bundle create --plugin`）或软件源"
        "（PIP_MIRROR_URL）；若提示 'no activity for 120 seconds'，请调大 PYTHON_ENV_INIT_TIMEOUT。半完成的内容已清除；"
        "重新运行同一命令即可重新开始。",
    ),
    "dify_console_plugin_slow": Entry(
        Kind.TIMEOUT,
        "The time is over, and the plugin daemon is still installing {plugin}; it says: {state}.",
        "It goes on by itself: the same command waits for it again. The log of plugin_daemon shows what it downloads.",
        "等待时间已到，插件守护进程仍在安装 {plugin}；其状态为：{state}。",
        "安装会自行继续：重新运行同一命令会再次等待。plugin_daemon 的日志会显示正在下载的内容。",
    ),
    "dify_console_plugin_dead": Entry(
        Kind.UPSTREAM,
        "Dify lists the plugin {plugin}, but it does not run: {reason}",
        "Its installation half failed, or the daemon is still starting it: look at the log of plugin_daemon. If it stays"
        " so, take the plugin out in Dify (this deletes its models' credentials) and run the same command with its"
        " package.",
        "Dify 列出了插件 {plugin}，但它并未运行：{reason}",
        "可能安装只完成了一半，或守护进程仍在启动它：请查看 plugin_daemon 的日志。若一直如此，请在 Dify 中卸载该插件（会删除其模型的"
        "凭据），再带上插件包重新运行同一命令。",
    ),
    "dify_console_plugin_kept": Entry(
        Kind.CONFLICT,
        "The plugin {plugin} is not replaced: Dify would delete the credentials of its models with it: {models}.",
        "Restart plugin_daemon first, which builds a plugin's environment anew. If that does not help, note how these"
        " models are reached, take the plugin out in Dify, and run the same command again.",
        "未替换插件 {plugin}：否则 Dify 会一并删除其模型的凭据：{models}。",
        "请先重启 plugin_daemon，它会重新构建插件环境。若无效，请记下这些模型的访问方式，在 Dify 中卸载该插件，然后重新运行同一命令。",
    ),
}

_MODELS: dict[str, Entry] = {
    "dify_console_model_refused": Entry(
        Kind.UPSTREAM,
        "Dify called the model {model} ({type}) and does not take it: {reason}",
        "The model's address must be one that Dify's plugin_daemon reaches, with /v1: `dify.models_url`, never"
        " localhost. `freehold dify check` makes the same calls and says what is wrong.",
        "Dify 调用模型 {model}（{type}）后未予接受：{reason}",
        "模型地址必须是 Dify 的 plugin_daemon 能够访问的地址，带 /v1：`dify.models_url`，不能是 localhost。"
        "`freehold dify check` 会执行相同的调用并指出问题。",
    ),
    "dify_console_smoke": Entry(
        Kind.UPSTREAM,
        "The models are in Dify, but a real call through it did not work, with {model}: {reason}",
        "Look at the logs of Dify's api, worker and plugin_daemon. The check asks /v1 of the same address: where"
        " SERVICE_API_URL is another one, the proxy must lead /v1 to api here as well.",
        "模型已添加到 Dify，但通过它使用 {model} 的真实调用失败：{reason}",
        "请查看 Dify 的 api、worker 与 plugin_daemon 的日志。检查访问的是同一地址的 /v1：若 SERVICE_API_URL 为其他地址，代理也需在此将"
        " /v1 转发到 api。",
    ),
}

ENTRIES: dict[str, Entry] = _REACHING | _SIGNING_IN | _SETTING_UP | _PLUGINS | _MODELS
