"""Errors of fetching models from hubs, and of reaching other machines at all."""

from freehold.errors.kinds import Entry, Kind

_NETWORK: dict[str, Entry] = {
    "network_ca_unreadable": Entry(
        Kind.INVALID,
        "The certificate authorities in {path} ({setting}) cannot be read: {reason}.",
        "Let {setting} name a PEM file of certificates that this user may read.",
        "无法读取 {path}（{setting}）中的证书颁发机构：{reason}。",
        "请让 {setting} 指向当前用户可读取的 PEM 证书文件。",
    ),
    "network_proxy_invalid": Entry(
        Kind.INVALID,
        "The proxy that `network.proxy` or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY names cannot be used: {reason}.",
        "Write it as http://HOST:PORT; it is not shown here, since it may hold a password.",
        "无法使用 `network.proxy` 或 HTTP_PROXY、HTTPS_PROXY、ALL_PROXY 指定的代理：{reason}。",
        "请写成 http://HOST:PORT；此处不显示其内容，因为其中可能含有密码。",
    ),
}

ENTRIES: dict[str, Entry] = {**_NETWORK}
