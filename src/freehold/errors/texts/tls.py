"""Errors of certificates, and who issues them."""

from freehold.errors.kinds import Entry, Kind

_CONFIG: dict[str, Entry] = {
    "config_tls_choice": Entry(
        Kind.INVALID,
        "{where}: `{key}` names {found}.",
        "Name either `certificate` and `key` (PEM files of your own), or `acme` (an authority that issues them).",
        "{where}：`{key}` 设置为：{found}。",
        "请二选一：`certificate` 与 `key`（自有 PEM 文件），或 `acme`（由证书机构签发）。",
    ),
    "config_tls_half": Entry(
        Kind.INVALID,
        "{where}: `{key}` stands alone: a certificate and its key belong together.",
        "Name the PEM file of `{missing}` too; one file may hold both.",
        "{where}：`{key}` 单独出现：证书与私钥必须同时指定。",
        "请同时指定 `{missing}` 的 PEM 文件；两者可以在同一文件中。",
    ),
    "config_acme_port": Entry(
        Kind.INVALID,
        "{where}: `{key}` needs `server.tls.http_port`: the authority asks there whether the names are yours.",
        "Set http_port: 80, or the port to which port 80 of these names leads.",
        "{where}：`{key}` 需要 `server.tls.http_port`：证书机构通过该端口验证域名归属。",
        "请设置 http_port: 80，或这些域名的 80 端口所转发到的端口。",
    ),
    "config_acme_terms": Entry(
        Kind.INVALID,
        "{where}: the authority {directory} issues certificates only to who accepts its terms of service.",
        "Read them, then set accept_terms: true.",
        "{where}：证书机构 {directory} 仅向接受其服务条款者签发证书。",
        "请阅读条款后设置 accept_terms: true。",
    ),
    "config_acme_nameless": Entry(
        Kind.INVALID,
        "{where}: `{key}` names nothing, and a certificate is for names.",
        "Name the DNS names that clients use: domains: [models.corp.example].",
        "{where}：`{key}` 为空，而证书必须有名称。",
        "请填写客户端使用的 DNS 名称：domains: [models.corp.example]。",
    ),
    "config_acme_domain": Entry(
        Kind.INVALID,
        "{where}: {found} is no name that can be proven on a port: {reason}.",
        "Name full DNS names, such as models.corp.example.",
        "{where}：{found} 无法通过端口验证：{reason}。",
        "请填写完整的 DNS 名称，例如 models.corp.example。",
    ),
    "config_http_port_taken": Entry(
        Kind.INVALID,
        "{where}: `{key}` is {port}, on which HTTPS is served.",
        "Choose another port for plain HTTP, usually 80.",
        "{where}：`{key}` 为 {port}，该端口已用于 HTTPS。",
        "请为明文 HTTP 选择其他端口，通常为 80。",
    ),
}

_FILES: dict[str, Entry] = {
    "tls_file_missing": Entry(
        Kind.INVALID,
        "{path} does not exist.",
        "Name the PEM file where it lies; in a container it must be mounted.",
        "{path} 不存在。",
        "请填写 PEM 文件的实际位置；在容器中需要先挂载。",
    ),
    "tls_file_unreadable": Entry(
        Kind.INVALID,
        "{path} cannot be read: {reason}.",
        "Let the user that runs Freehold read it, and nobody else where it holds a key (chown, chmod 600).",
        "无法读取 {path}：{reason}。",
        "请允许运行 Freehold 的用户读取；含私钥时不要对他人开放（chown、chmod 600）。",
    ),
    "tls_authority_unreadable": Entry(
        Kind.INVALID,
        "The certificate authorities in {path} (`{setting}`) cannot be read: {reason}.",
        "Name a PEM file with one or more certificates of authorities.",
        "无法读取 {path}（`{setting}`）中的证书机构：{reason}。",
        "请指定包含一个或多个机构证书的 PEM 文件。",
    ),
    "tls_certificate_invalid": Entry(
        Kind.INVALID,
        "{path} holds no certificate in PEM.",
        "Write the server's certificate into it, then those between it and its root; of DER:"
        " `openssl x509 -inform der -in FILE -out {path}`.",
        "{path} 中没有 PEM 格式的证书。",
        "请先写入服务器证书，再写入中间证书；DER 格式可转换：`openssl x509 -inform der -in FILE -out {path}`。",
    ),
    "tls_key_invalid": Entry(
        Kind.INVALID,
        "{path} holds no private key in PEM.",
        "Write the certificate's key into it (PKCS 8, as `openssl genpkey` makes it).",
        "{path} 中没有 PEM 格式的私钥。",
        "请写入证书的私钥（PKCS 8，可由 `openssl genpkey` 生成）。",
    ),
    "tls_key_encrypted": Entry(
        Kind.INVALID,
        "The key in {path} wants a passphrase, and nobody is there to type it when a server starts.",
        "Store it without: `openssl pkey -in {path} -out server.key`, then chmod 600 server.key.",
        "{path} 中的私钥有口令，而服务器启动时无人输入。",
        "请去除口令：`openssl pkey -in {path} -out server.key`，然后 chmod 600 server.key。",
    ),
    "tls_key_mismatch": Entry(
        Kind.INVALID,
        "The key in {key} does not belong to the first certificate in {path}.",
        "Name the key that the certificate was requested with. In a chain the server's own certificate stands first.",
        "{key} 中的私钥与 {path} 中的第一个证书不匹配。",
        "请使用申请该证书时的私钥。证书链中服务器证书必须排在最前。",
    ),
    "tls_certificate_expired": Entry(
        Kind.INVALID,
        "The certificate in {path} ended on {expires}, {days} days ago: no client accepts it.",
        "Have it renewed and put the new one in its place.",
        "{path} 中的证书已于 {expires} 到期（{days} 天前）：客户端不会接受。",
        "请续期并替换为新证书。",
    ),
    "tls_certificate_early": Entry(
        Kind.INVALID,
        "The certificate in {path} begins on {begins}, and this machine's clock says {now}.",
        "Set the clock right (`timedatectl`), or wait for its beginning.",
        "{path} 中的证书自 {begins} 起有效，而本机时间为 {now}。",
        "请校准时钟（`timedatectl`），或等待其生效。",
    ),
    "tls_certificate_nameless": Entry(
        Kind.INVALID,
        "The certificate in {path} has no subject alternative name, and clients look at nothing else.",
        "Request one with the names that clients use: subjectAltName = DNS:models.corp.example.",
        "{path} 中的证书没有主题备用名称（SAN），而客户端只看该项。",
        "请用客户端使用的名称重新申请：subjectAltName = DNS:models.corp.example。",
    ),
    "tls_name_missing": Entry(
        Kind.INVALID,
        "The certificate in {path} is not for {wanted}; it is for {names}.",
        "Request one for these names, or correct `server.tls`.",
        "{path} 中的证书不适用于 {wanted}，仅适用于 {names}。",
        "请为这些名称申请证书，或修改 `server.tls`。",
    ),
    "tls_certificate_refused": Entry(
        Kind.INVALID,
        "OpenSSL does not serve with the certificate in {path}: {reason}.",
        "Request one with a key of today: ECDSA on P-256, or RSA of 2048 bits or more, signed with SHA-256.",
        "OpenSSL 拒绝使用 {path} 中的证书：{reason}。",
        "请用现行规格的密钥重新申请：P-256 ECDSA 或 2048 位以上 RSA，使用 SHA-256 签名。",
    ),
    "note_tls_key_open": Entry(
        Kind.INVALID,
        "Others on this machine can read the private key in {path} (mode {mode}).",
        "Take that from them: chmod 600 {path}",
        "本机其他用户可读取 {path} 中的私钥（权限 {mode}）。",
        "请收回权限：chmod 600 {path}",
    ),
    "note_tls_ends_soon": Entry(
        Kind.INVALID,
        "The certificate in {path} ends on {expires}, in {days} days.",
        "Have it renewed and put the new one in its place; it is taken up without a restart.",
        "{path} 中的证书将于 {expires} 到期（剩余 {days} 天）。",
        "请续期并替换文件，无需重启即可生效。",
    ),
    "tls_host_unknown": Entry(
        Kind.INVALID,
        "This server is not {host}, so a client is not sent there.",
        "Use https:// and one of its names: {names}.",
        "本服务器不是 {host}，不会重定向到该地址。",
        "请使用 https:// 及其名称之一：{names}。",
    ),
}

_ACME: dict[str, Entry] = {
    "acme_missing": Entry(
        Kind.UNSUPPORTED,
        "`server.tls.acme` needs the package `acme`, which is not installed.",
        'Install it: pip install "freehold[acme]".',
        "`server.tls.acme` 需要软件包 `acme`，但尚未安装。",
        '请安装：pip install "freehold[acme]"。',
    ),
    "acme_home_unwritable": Entry(
        Kind.INVALID,
        "{path} cannot be written, and the certificate and the account's key must be kept: {reason}.",
        "Set FREEHOLD_HOME to a folder that can be written.",
        "无法写入 {path}，而证书和账户密钥必须保存：{reason}。",
        "请将 FREEHOLD_HOME 设为可写的目录。",
    ),
    "acme_account_broken": Entry(
        Kind.INVALID,
        "{path} is no account of ours: {reason}.",
        "Remove it; a new account is made.",
        "{path} 不是有效的账户文件：{reason}。",
        "请删除该文件，将自动新建账户。",
    ),
    "acme_unreachable": Entry(
        Kind.UPSTREAM,
        "The authority {directory} does not answer: {reason}.",
        "Check `server.tls.acme.directory`, the network, and `acme.ca` where it has an authority of its own.",
        "证书机构 {directory} 无响应：{reason}。",
        "请检查 `server.tls.acme.directory` 与网络；若其使用私有 CA，请设置 `acme.ca`。",
    ),
    "acme_refused": Entry(
        Kind.UPSTREAM,
        "The authority {directory} refuses: {reason}.",
        "Do what it says; it is asked again by itself.",
        "证书机构 {directory} 拒绝：{reason}。",
        "请按其提示处理；之后会自动重试。",
    ),
    "acme_unproven": Entry(
        Kind.UPSTREAM,
        "The authority could not see that {domain} is this machine: {reason}.",
        "Let {domain} resolve to this machine and its port 80 lead to `server.tls.http_port`, from where the authority"
        " is; it is asked again by itself.",
        "证书机构无法确认 {domain} 指向本机：{reason}。",
        "请确保 {domain} 解析到本机，且其 80 端口能从证书机构处到达 `server.tls.http_port`；之后会自动重试。",
    ),
    "acme_slow": Entry(
        Kind.UPSTREAM,
        "The authority {directory} did not come to an end within {seconds} s.",
        "Nothing to do: it is asked again by itself.",
        "证书机构 {directory} 未在 {seconds} 秒内完成。",
        "无需操作，会自动重试。",
    ),
    "acme_challenge_unknown": Entry(
        Kind.NOT_FOUND,
        "There is no challenge of this name.",
        "Only the authority asks here, while a certificate is being issued.",
        "没有此名称的验证。",
        "仅在签发证书期间由证书机构访问。",
    ),
    "certificate_awaited": Entry(
        Kind.UNAVAILABLE,
        "The first certificate for {names} has not been issued yet: {reason}.",
        "HTTPS begins by itself once it is there.",
        "{names} 的首个证书尚未签发：{reason}。",
        "签发后 HTTPS 会自动启用。",
    ),
}

ENTRIES: dict[str, Entry] = {**_CONFIG, **_FILES, **_ACME}
