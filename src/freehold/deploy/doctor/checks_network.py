"""Checks of the network: names, ports, proxies, mirrors, private certificate authorities, the registry."""

from __future__ import annotations

from typing import Iterator

from freehold.deploy.doctor.check import Check, Status, Text, Topic
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot

SLOW_S = 2.0
SOON_DAYS = 30.0
LOOPBACK = ("localhost", "127.0.0.1")
CLUSTER = (".svc", ".cluster.local")
REGISTRY_ANSWERS = (200, 401)

DNS = Topic(
    "dns",
    Text(
        "Upstreams, registries and services are reached by name; a name server that hangs delays every first call.",
        "上游、镜像仓库与服务都按名称访问；DNS 卡住会拖慢每次首次调用。",
    ),
    Text(
        "Put the name into your DNS or into /etc/hosts, and see `nameserver` in /etc/resolv.conf.",
        "请在 DNS 或 /etc/hosts 中添加该名称，并检查 /etc/resolv.conf 中的 `nameserver`。",
    ),
)
PORTS = Topic(
    "ports",
    Text("Two programs cannot listen on one port.", "两个程序不能监听同一端口。"),
    Text(
        "Stop the program that listens there, or choose another port: `deploy.port`, or `serve --port`.",
        "请停止占用该端口的程序，或更换端口：`deploy.port` 或 `serve --port`。",
    ),
)
PROXY = Topic(
    "proxies",
    Text(
        "Programs send calls of this machine and of services through the proxy unless NO_PROXY names them.",
        "若 NO_PROXY 未列出，程序会把发往本机和服务的调用也交给代理。",
    ),
    Text(
        "Add to NO_PROXY (and no_proxy) what is named here: `export NO_PROXY=localhost,127.0.0.1,...`.",
        "请把此处列出的名称加入 NO_PROXY（及 no_proxy）：`export NO_PROXY=localhost,127.0.0.1,...`。",
    ),
)
MIRRORS = Topic(
    "mirrors",
    Text(
        "Packages and images come from there; Docker's mirrors count only for images of Docker Hub.",
        "软件包与镜像由此获取；Docker 的镜像加速仅对 Docker Hub 的镜像有效。",
    ),
    Text(
        "Put it right in /etc/docker/daemon.json (`dockerd --validate` reads it) and restart Docker; pip's is in"
        " pip.conf, apt's in sources.list. For other images set `deploy.registry`.",
        "请修正 /etc/docker/daemon.json（可用 `dockerd --validate` 检查）并重启 Docker；pip 的在 pip.conf，"
        "apt 的在 sources.list。其他镜像请设置 `deploy.registry`。",
    ),
)
CA = Topic(
    "ca",
    Text(
        "Servers of your network with certificates of a private authority are trusted only with that authority's own.",
        "内网服务器若使用私有 CA 签发的证书，须有该 CA 的证书才能被信任。",
    ),
    Text(
        "Name a PEM file with the authority's certificate (CA:TRUE, not ended) in `network.ca`, readable by it.",
        "请在 `network.ca` 中指定含 CA 证书（CA:TRUE、未过期）的 PEM 文件，并保证服务可读。",
    ),
)
REGISTRY = Topic(
    "registry",
    Text("Images, and models that are pushed, are pulled from it.", "镜像及已推送的模型从此处拉取。"),
    Text(
        "Check `deploy.registry`, the way there (proxy, firewall) and its certificate: `network.ca` for a private one.",
        "请检查 `deploy.registry`、网络通路（代理、防火墙）及其证书：私有 CA 用 `network.ca`。",
    ),
)


def dns(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Every name that is asked for has an address, soon."""
    if not snapshot.has("dns"):
        yield DNS.unknown(snapshot.reason("dns"), "localhost")
        return
    answers = list(snapshot.named("dns", "resolved"))
    needed = ", ".join(name for name, _ in answers) or "localhost"
    lost = [f"{name}: {answer.text('trouble') or '-'}" for name, answer in answers if not answer.texts("addresses")]
    slow = [name for name, answer in answers if (answer.number("seconds") or 0.0) > SLOW_S]
    if lost:
        yield DNS.judged("fail", "; ".join(lost), needed)
    elif slow:
        late = Text(f"over {SLOW_S:g} s: {', '.join(slow)}", f"超过 {SLOW_S:g} 秒：{', '.join(slow)}")
        yield DNS.judged("warn", late, needed)
    else:
        servers = ", ".join(snapshot.texts("dns", "servers"))
        yield DNS.ok(Text(f"name servers: {servers or 'none'}", f"DNS 服务器：{servers or '无'}"), needed)


def ports(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Every port is free, or a Freehold listens there already."""
    if not snapshot.has("ports"):
        yield PORTS.unknown(snapshot.reason("ports"), "8080")
        return
    for one in snapshot.each("ports"):
        number = one.number("port")
        needed = Text(f"{number or 0:.0f} free", f"端口 {number or 0:.0f} 空闲")
        by = one.text("by") or ""
        if number is None or one.flag("free") is None:
            yield PORTS.unknown(None, needed)
        elif one.flag("free"):
            yield PORTS.ok(needed, needed)
        elif one.flag("refused"):
            found = Text(f"{number:.0f} needs root", f"端口 {number:.0f} 需要 root")
            high = Text(
                "Choose a port above 1023, or `sudo sysctl net.ipv4.ip_unprivileged_port_start=80`.",
                "请选择 1023 以上的端口，或执行 `sudo sysctl net.ipv4.ip_unprivileged_port_start=80`。",
            )
            yield PORTS.judged("fail", found, needed, high)
        else:
            found = Text(f"{number:.0f} taken by {by or 'another user'}", f"端口 {number:.0f} 被{by or '其他用户'}占用")
            if one.flag("ours"):
                found = Text(f"{number:.0f}: a Freehold answers already", f"端口 {number:.0f}：已有 Freehold 在服务")
            yield PORTS.judged("ok" if one.flag("ours") else "fail", found, needed)


def proxies(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Where a proxy is set, loopback and the names of services are exempt from it."""
    if not snapshot.has("proxies"):
        yield PROXY.unknown(snapshot.reason("proxies"), "-")
        return
    names = [name for name in ("http_proxy", "https_proxy", "all_proxy") if snapshot.text("proxies", name)]
    services = tuple(name for name, _ in snapshot.named("dns", "resolved") if "." not in name and name not in LOOPBACK)
    in_cluster = profile.kubernetes == "needed" or snapshot.text("container", "kind") == "kubernetes"
    wanted = (*LOOPBACK, *services, *(CLUSTER if in_cluster else ()))
    needed = f"NO_PROXY: {','.join(wanted)}"
    if not names:
        yield PROXY.ok(Text("no proxy", "未设置代理"), needed)
        return
    exempt = snapshot.text("proxies", "no_proxy") or ""
    found = Text("; ".join(f"{name}={snapshot.text('proxies', name)}" for name in names), "")
    missing = [name for name in wanted if not _exempts(exempt, name)]
    if missing:
        lacks = ", ".join(missing)
        yield PROXY.judged(
            "warn", Text(f"{found.en}; NO_PROXY lacks {lacks}", f"{found.en}；NO_PROXY 缺少 {lacks}"), needed
        )
    else:
        yield PROXY.ok(found.en, needed)


def _exempts(no_proxy: str, name: str) -> bool:
    """Whether an entry is the name or a domain it ends in; programs differ on leading dots, and `*` is everything."""
    entries = [entry.strip().lstrip("*").lstrip(".") for entry in no_proxy.split(",") if entry.strip()]
    bare = name.lstrip(".")
    return any(entry in ("", bare) or (entry == "127.0.0.0/8" and bare == "127.0.0.1") for entry in entries) or any(
        bare.endswith(f".{entry}") for entry in entries if entry
    )


def mirrors(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Where packages and images come from; a daemon.json that Docker cannot read is told."""
    needed = Text("addresses that this network reaches", "本网络可达的地址")
    if not snapshot.has("mirrors"):
        yield MIRRORS.unknown(snapshot.reason("mirrors"), needed)
        return
    trouble = snapshot.text("mirrors", "trouble")
    docker = dict.fromkeys((*snapshot.texts("mirrors", "docker"), *snapshot.texts("docker", "mirrors")))
    kinds = (("pip", snapshot.texts("mirrors", "pip")), ("apt", snapshot.texts("mirrors", "apt")), ("docker", docker))
    found = "; ".join(f"{kind}: {', '.join(urls)}" for kind, urls in kinds if urls)
    if trouble:
        yield MIRRORS.judged("warn", trouble, needed)
    else:
        yield MIRRORS.ok(found or Text("none: straight from the internet", "无：直接访问互联网"), needed)


def authorities(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """Every file that is named can be read and has an authority's certificate that has not ended."""
    needed = Text("authorities' certificates that have not ended", "未过期的 CA 证书")
    if not snapshot.has("ca"):
        yield CA.unknown(snapshot.reason("ca"), needed)
        return
    files = list(snapshot.each("ca"))
    if not files:
        yield CA.judged("skip", Text("no private authority is named", "未指定私有 CA"), needed)
    for file in files:
        status, words = _judged(file)
        where = f"{file.text('path') or '?'} ({file.text('by') or '?'})"
        yield CA.judged(status, Text(f"{where}: {words.en}", f"{where}：{words.zh}"), needed)


def _judged(file: Snapshot) -> tuple[Status, Text]:
    trouble, count, days = file.text("trouble"), file.number("authorities"), file.number("days")
    expired = ", ".join(file.texts("expired"))
    if trouble:
        return "fail", Text(trouble, trouble)
    if not count:
        return "fail", Text("it holds no authority's certificate", "不含 CA 证书")
    if days is None:
        return "fail", Text(f"ended: {expired or '?'}", f"已过期：{expired or '?'}")
    lasts = Text(f"{count:.0f}, the first ends in {days:.0f} days", f"共 {count:.0f} 个，最早的 {days:.0f} 天后过期")
    if not (file.text("by") or "").startswith("network.ca"):
        return "ok", lasts  # a system's whole bundle always has some that end
    if expired:
        return "warn", Text(f"{count:.0f}, of which ended: {expired}", f"共 {count:.0f} 个，其中已过期：{expired}")
    return "warn" if days < SOON_DAYS else "ok", lasts


def registry(snapshot: Snapshot, profile: Profile) -> Iterator[Check]:
    """It answers as a registry does: 200, or 401 to those without a name."""
    needed = Text("answers at /v2/", "/v2/ 可访问")
    url = snapshot.text("registry", "url")
    if url is None:
        reason = snapshot.reason("registry")
        none = Text("none is named", "未指定")
        yield REGISTRY.unknown(reason, needed) if reason else REGISTRY.judged("skip", none, needed)
        return
    status, trouble = snapshot.number("registry", "status"), snapshot.text("registry", "trouble")
    if status is None:
        yield REGISTRY.judged("fail", f"{url}: {trouble or '-'}", needed)
    elif status in REGISTRY_ANSWERS:
        yield REGISTRY.ok(f"{url}: {status:.0f}, {snapshot.number('registry', 'ms') or 0:.0f} ms", needed)
    else:
        found = Text(f"{url}: {status:.0f}, not a registry's answer", f"{url}：{status:.0f}，不是镜像仓库的应答")
        yield REGISTRY.judged("warn", found, needed)


CHECKS: tuple[Checking, ...] = (dns, ports, proxies, mirrors, authorities, registry)
