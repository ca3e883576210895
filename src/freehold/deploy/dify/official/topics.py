"""What is checked in an official installation: why each matters, and its fix, in two languages."""

from freehold.deploy.doctor.check import Text, Topic

PUBLIC_SECRETS = Topic(
    "public-secrets",
    Text(
        "These values stand in Dify's public repository: whoever reaches the service has the key to it.",
        "这些值就在 Dify 的公开仓库里：能访问该服务的人就等于拿到了钥匙。",
    ),
    Text(
        "Set each in .env to `openssl rand -hex 24`, the same wherever it must agree; a database's password has to be"
        " changed in the database too. Then `docker compose up -d`.",
        "在 .env 中把每一项设为 `openssl rand -hex 24` 的结果，需一致处保持一致；数据库密码还须在数据库内修改。"
        "然后运行 `docker compose up -d`。",
    ),
)
INIT_PASSWORD = Topic(
    "init-password",
    Text(
        "Until the administrator's account is made, whoever opens /install first owns this Dify.",
        "在创建管理员账号之前，最先打开 /install 的人就拥有这套 Dify。",
    ),
    Text(
        "Set INIT_PASSWORD in .env (30 characters at most), or make the account now.",
        "在 .env 中设置 INIT_PASSWORD（最多 30 个字符），或立即创建账号。",
    ),
)
DEBUG_PORT = Topic(
    "debug-port",
    Text(
        "Plugins under development connect there: whoever reaches it with the key runs code beside your models' keys.",
        "开发中的插件经此端口接入：持有密钥且能访问它的人可以在模型密钥旁运行代码。",
    ),
    Text(
        "EXPOSE_PLUGIN_DEBUGGING_PORT=127.0.0.1:5003 in .env, then `docker compose up -d plugin_daemon`.",
        "在 .env 中设置 EXPOSE_PLUGIN_DEBUGGING_PORT=127.0.0.1:5003，然后 `docker compose up -d plugin_daemon`。",
    ),
)
TELEMETRY = Topic(
    "telemetry",
    Text(
        "These call servers on the internet, or wait for them in a closed network.",
        "这些功能会访问互联网；在封闭网络中则会等待超时。",
    ),
    Text(
        "`freehold dify patch --compose-dir DIR --closed`, with the options used before: what is left out goes."
        " (Up to 1.14 an empty CHECK_UPDATE_URL in .env becomes the default again.)",
        "`freehold dify patch --compose-dir DIR --closed`，并带上之前用过的选项：未给出的会被去掉。"
        "（1.14 及以前，.env 中的空 CHECK_UPDATE_URL 会变回默认值。）",
    ),
)
MARKETPLACE = Topic(
    "marketplace",
    Text(
        "In a closed network pages with plugins hang or show errors while the marketplace is asked.",
        "在封闭网络中，涉及插件的页面会因请求插件市场而卡住或报错。",
    ),
    Text(
        "MARKETPLACE_ENABLED=false in .env, or `freehold dify patch --compose-dir DIR --closed`.",
        "在 .env 中设置 MARKETPLACE_ENABLED=false，或运行 `freehold dify patch --compose-dir DIR --closed`。",
    ),
)
MIGRATION = Topic(
    "migration",
    Text(
        "A newer image then runs on an old database: pages fail with missing columns.",
        "否则新镜像会运行在旧数据库上，页面因缺少字段而报错。",
    ),
    Text(
        "MIGRATION_ENABLED=true in .env, unless you run `flask upgrade-db` yourself at every upgrade.",
        "在 .env 中设置 MIGRATION_ENABLED=true，除非每次升级都手动运行 `flask upgrade-db`。",
    ),
)
SANDBOX_KEY = Topic(
    "sandbox-key",
    Text("Code and template nodes get 401 from the sandbox.", "代码与模板节点会从 sandbox 得到 401。"),
    Text(
        "Set SANDBOX_API_KEY and CODE_EXECUTION_API_KEY to the same value.",
        "请把 SANDBOX_API_KEY 与 CODE_EXECUTION_API_KEY 设为同一个值。",
    ),
)
PLUGIN_KEYS = Topic(
    "plugin-keys",
    Text(
        "The api and the plugin daemon refuse one another: no model provider works.",
        "api 与插件守护进程互相拒绝：所有模型供应商都不可用。",
    ),
    Text(
        "Set PLUGIN_DAEMON_KEY and PLUGIN_DIFY_INNER_API_KEY once, in .env, and remove other settings of SERVER_KEY,"
        " DIFY_INNER_API_KEY and INNER_API_KEY_FOR_PLUGIN.",
        "只在 .env 中设置 PLUGIN_DAEMON_KEY 与 PLUGIN_DIFY_INNER_API_KEY，并删除对 SERVER_KEY、DIFY_INNER_API_KEY、"
        "INNER_API_KEY_FOR_PLUGIN 的其他设置。",
    ),
)
BROKER = Topic(
    "broker-password",
    Text(
        "The workers cannot reach their queue: documents stay queued for ever, and no mail is sent.",
        "worker 无法连接队列：文档一直排队，邮件也不会发送。",
    ),
    Text(
        "Write the password of REDIS_PASSWORD into CELERY_BROKER_URL: redis://:PASSWORD@redis:6379/1, with / : @ # % in"
        " it percent-encoded.",
        "把 REDIS_PASSWORD 的密码写入 CELERY_BROKER_URL：redis://:密码@redis:6379/1，其中的 / : @ # % 需百分号编码。",
    ),
)
NGINX = Topic(
    "nginx-502",
    Text(
        "nginx asks for the addresses of containers once: when api or web is started anew, it answers 502 until it is"
        " restarted too.",
        "nginx 只查询一次容器地址：api 或 web 重建后，在 nginx 重启之前都会返回 502。",
    ),
    Text(
        "`freehold dify patch --compose-dir DIR --cure-502`, with the options used before: what is left out goes.",
        "`freehold dify patch --compose-dir DIR --cure-502`，并带上之前用过的选项：未给出的会被去掉。",
    ),
)
OWN_CA = Topic(
    "own-ca",
    Text(
        "Every plugin has an environment with authorities of its own: your CA is unknown to it, and model calls end in"
        " CERTIFICATE_VERIFY_FAILED.",
        "每个插件环境都自带 CA 列表，不认识您的 CA，模型调用会以 CERTIFICATE_VERIFY_FAILED 失败。",
    ),
    Text(
        "`freehold dify patch --compose-dir DIR --ca FILE`, with the options used before: what is left out goes.",
        "`freehold dify patch --compose-dir DIR --ca FILE`，并带上之前用过的选项：未给出的会被去掉。",
    ),
)
LOOPBACK = Topic(
    "loopback",
    Text(
        'In a container, localhost is the container itself: the call ends in "connection refused".',
        "容器内的 localhost 就是容器自身：调用会以 connection refused 失败。",
    ),
    Text(
        "Use the name of a service (api, redis), or this machine's address on the network; never localhost.",
        "请使用服务名（api、redis）或本机在网络中的地址，不要用 localhost。",
    ),
)
BROWSER_ADDRESSES = Topic(
    "browser-addresses",
    Text(
        "Dify hands these addresses to browsers and other systems, and on another machine localhost is that machine.",
        "Dify 会把这些地址交给浏览器和其他系统，而在别的机器上 localhost 指那台机器自己。",
    ),
    Text(
        "Set them in .env to the address that browsers use: CONSOLE_API_URL, TRIGGER_URL, ENDPOINT_URL_TEMPLATE,"
        " NEXT_PUBLIC_SOCKET_URL.",
        "在 .env 中把它们设为浏览器使用的地址：CONSOLE_API_URL、TRIGGER_URL、ENDPOINT_URL_TEMPLATE、"
        "NEXT_PUBLIC_SOCKET_URL。",
    ),
)
IMAGES = Topic(
    "floating-images",
    Text(
        "Such a tag is another image tomorrow: two machines, or one after a pull, do not run the same thing.",
        "这类标签明天可能是另一个镜像：两台机器、或同一台机器拉取前后，运行的不是同一个东西。",
    ),
    Text(
        "Name a version in an override file, or keep the images that run now by digest.",
        "请在覆盖文件中写明版本，或按摘要保留当前运行的镜像。",
    ),
)
SIGNATURES = Topic(
    "plugin-signatures",
    Text(
        "Any package is then installed, also a changed one, and plugins run with your keys.",
        "这样任何插件包（包括被改动的）都能安装，而插件能接触您的密钥。",
    ),
    Text(
        "FORCE_VERIFYING_SIGNATURE=true, and sign packages of your own: `freehold bundle plugin FILE --key NAME.key`.",
        "设置 FORCE_VERIFYING_SIGNATURE=true，并为自有插件包签名：`freehold bundle plugin FILE --key NAME.key`。",
    ),
)
