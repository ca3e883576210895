"""Whether Dify reaches the server, trusts it, and comes to the right paths with the right key."""

from urllib.parse import urljoin

from freehold.config.loopback import is_loopback
from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable, listed
from freehold.deploy.dify.checking.exchange import Exchange, Trouble
from freehold.deploy.dify.checking.plugin_calls import Plugin, host_of, other_form
from freehold.deploy.dify.checking.reading import dig, rows, told
from freehold.deploy.doctor.check import Text, Words

TLS: frozenset[Trouble] = frozenset({"untrusted", "other_name", "expired", "tls"})
REFUSALS = (401, 403)
WRONG_KEY = "sk-freehold-wrong-key"

FIXES: dict[Trouble, Text] = {
    "name": Text(
        "The name does not resolve here. Write one that the network's DNS knows, and Dify's plugin_daemon, too.",
        "此处无法解析该域名。请使用内网 DNS 可解析、且 Dify 的 plugin_daemon 也能解析的名称。",
    ),
    "refused": Text(
        "Nothing listens at this address and port. Start the server, let it listen beyond 127.0.0.1 (`--host 0.0.0.0`),"
        " and compare the port.",
        "该地址和端口上没有服务在监听。请启动服务，使其监听 127.0.0.1 之外的地址（`--host 0.0.0.0`），并核对端口。",
    ),
    "no_http": Text(
        "Something answers that is not HTTP. Compare the port and http:// against https://.",
        "对端返回的不是 HTTP。请核对端口，以及应使用 http:// 还是 https://。",
    ),
    "untrusted": Text(
        "Its certificate is signed by an authority that is not known here. Name that authority's PEM file: --ca FILE."
        " Dify needs it, too: REQUESTS_CA_BUNDLE and SSL_CERT_FILE of plugin_daemon, which `network.ca` sets.",
        "其证书由此处未知的机构签发。请用 --ca FILE 指定该机构的 PEM 文件。"
        "Dify 同样需要：为 plugin_daemon 设置 REQUESTS_CA_BUNDLE 与 SSL_CERT_FILE（`network.ca` 会代为设置）。",
    ),
    "other_name": Text(
        "The certificate is for other names. Use one of them in the URL, or issue one with this name or address as a"
        " subjectAltName.",
        "证书不包含该名称。请在 URL 中使用证书内的名称，或签发包含该名称或地址（subjectAltName）的证书。",
    ),
    "expired": Text("The certificate has run out: renew it.", "证书已过期，请更新。"),
    "tls": Text(
        "TLS ended in the handshake. Does the port speak HTTPS at all? Then allow TLS 1.2 or newer.",
        "TLS 握手失败。请确认该端口确为 HTTPS，并允许 TLS 1.2 或更新版本。",
    ),
}


def reachable(plugin: Plugin) -> Words:
    """Whether a connection comes to an answer, whatever it says."""
    answer = plugin.models()
    if answer.trouble and answer.trouble not in TLS:
        raise Failed(answer.told(), FIXES.get(answer.trouble))
    return f"{host_of(plugin.target.url)}: {answer.seconds * 1000:.0f} ms"


def tls_trusted(plugin: Plugin) -> Words:
    """Whether its certificate is trusted and for this name."""
    if not plugin.target.url.startswith("https:"):
        raise NotApplicable(Text("plain http", "使用 http"))
    answer = plugin.models()
    if answer.trouble in TLS:
        raise Failed(answer.told(), FIXES[answer.trouble])
    if plugin.target.ca:
        return Text(
            f"trusted by {plugin.target.ca}: Dify's plugin_daemon needs the same file",
            f"由 {plugin.target.ca} 信任：Dify 的 plugin_daemon 需要同一文件",
        )
    return Text("trusted by this machine's authorities", "本机的证书机构信任该证书")


def from_containers(plugin: Plugin) -> Words:
    """Whether the address means another machine from where Dify's plugins run."""
    host = host_of(plugin.target.from_dify or plugin.target.url)
    if is_loopback(host):
        raise Failed(Text(f"{host} means the container itself", f"{host} 在容器内指容器自身"))
    return host


def key_accepted(plugin: Plugin) -> Words:
    """Whether the server takes the key, or none."""
    answer = plugin.models()
    if answer.status in REFUSALS:
        raise Failed(told(answer))
    return Text("accepted", "已接受") if plugin.target.key else Text("none is needed", "不需要密钥")


def models_listed(plugin: Plugin) -> Words:
    """Whether the server lists the models that Dify is told of."""
    answer = plugin.models()
    names = [str(dig(row, "id")) for row in rows(answer, "data")]
    if not answer.ok or not names:
        raise Failed(told(answer))
    absent = [name for name in _named(plugin) if name not in names]
    if absent:
        raise Failed(Text(f"{listed(absent)} not in {listed(names)}", f"{listed(names)} 中没有 {listed(absent)}"))
    return listed(names)


def as_given(plugin: Plugin) -> Words:
    """Whether the plugin's paths are there, behind the address as it was typed."""
    _not_redirected(plugin.models())
    named = _named(plugin)
    if not named:
        raise Failed(
            Text("no model answers as chat, embedding or rerank", "没有模型以对话、向量或重排方式作答"),
            Text(
                "Name the models: --model NAME, --embedding NAME, --rerank NAME; and compare the address.",
                "请指定模型：--model NAME、--embedding NAME、--rerank NAME，并核对地址。",
            ),
        )
    answer = validation(plugin)
    if answer.status in (404, 405):
        other = other_form(plugin.target.url)
        if validation(plugin.instead(url=other)).ok:
            raise Failed(f"HTTP {answer.status}", Text(f"Write {other} in Dify.", f"请在 Dify 中填写 {other}。"))
    return answer.request.url


def other_address(plugin: Plugin) -> Words:
    """Whether a forgotten, or an added, /v1 works as well."""
    other = other_form(plugin.target.url)
    answer = validation(plugin.instead(url=other))
    if not answer.ok and not validation(plugin).ok:
        raise NotApplicable(
            Text("the model is not answered at the address as given either", "按原地址也得不到该模型的回答")
        )
    if not answer.ok:
        raise Failed(f"{other}: {answer.told()}")
    return Text(f"{other} works, too", f"{other} 也可用")


def wrong_key(plugin: Plugin) -> Words:
    """Whether another key than the right one is refused."""
    if not plugin.target.key:
        raise NotApplicable(Text("no key was given: this server is asked without one", "未提供密钥：以无密钥方式访问"))
    answer = validation(plugin.instead(key=WRONG_KEY))
    if not 400 <= answer.status < 500:
        raise Failed(told(answer))
    return told(answer)


def empty_key(plugin: Plugin) -> Words:
    """Whether `Authorization:` with nothing behind it counts as no key."""
    if not plugin.target.embedding:
        raise NotApplicable(Text("no embedding model: only those calls have it", "没有向量模型：只有其调用会这样发送"))
    answer = plugin.instead(key="").validate_embedding()
    if answer.trouble or answer.status >= 500 or (not plugin.target.key and answer.status in (*REFUSALS, 400)):
        raise Failed(told(answer))
    return f"HTTP {answer.status}"


def validation(plugin: Plugin) -> Exchange:
    """What Dify asks when the first of the models is added."""
    if plugin.target.embedding:  # the cheapest goes first
        return plugin.validate_embedding()
    return plugin.validate_rerank() if plugin.target.rerank else plugin.validate_chat()


def _not_redirected(answer: Exchange) -> None:
    """The plugin's client makes a GET of a call that is sent elsewhere by 301 or 302. Raises Failed."""
    if 300 <= answer.status < 400:
        to = urljoin(answer.request.url, (answer.headers or {}).get("location", ""))
        base = to.removesuffix("/").removesuffix("/models")
        raise Failed(f"HTTP {answer.status} -> {to}", Text(f"Write {base} in Dify.", f"请在 Dify 中填写 {base}。"))


def _named(plugin: Plugin) -> list[str]:
    target = plugin.target
    return [name for name in (target.chat, target.embedding, target.rerank) if name]


CHECKS = (
    Check(
        "reachable",
        "address",
        reachable,
        Text(
            "Adding a model fails with a connection error, and so does every call.",
            "添加模型时报连接错误，之后所有调用也会失败。",
        ),
        Text(
            "Compare the address; allow the port in firewalls between Dify and the server.",
            "请核对地址，并在 Dify 与服务器之间的防火墙中放行该端口。",
        ),
        gate=True,
    ),
    Check(
        "tls_trusted",
        "address",
        tls_trusted,
        Text(
            "Adding a model fails with CERTIFICATE_VERIFY_FAILED: each plugin brings its own list of authorities.",
            "添加模型时报 CERTIFICATE_VERIFY_FAILED：每个插件自带证书机构列表。",
        ),
        FIXES["untrusted"],
        gate=True,
    ),
    Check(
        "address_from_dify",
        "address",
        from_containers,
        Text(
            "Plugins run in a container: there, this address is the container's own, and the connection is refused.",
            "插件在容器中运行：该地址在容器内指向容器自身，连接会被拒绝。",
        ),
        Text(
            "Type the server's address in the network: http://HOST:PORT/v1; in Docker on one machine http://172.17.0.1:PORT/v1.",
            "请填写服务器在网络中的地址：http://HOST:PORT/v1；同机 Docker 可用 http://172.17.0.1:PORT/v1。",
        ),
        needed=False,
    ),
    Check(
        "key_accepted",
        "address",
        key_accepted,
        Text("Adding a model fails with 401 or 403.", "添加模型时报 401 或 403。"),
        Text(
            "Give the key: --key '${env:NAME}' or --key-file FILE; copy it whole, without spaces and line ends.",
            "请提供密钥：--key '${env:NAME}' 或 --key-file FILE；须完整复制，不含空格与换行。",
        ),
        gate=True,
    ),
    Check(
        "address_as_given",
        "address",
        as_given,
        Text(
            "The plugin appends its path to what was typed, and adds no /v1: a wrong base answers 404.",
            "插件只在所填地址后追加路径，不会补 /v1：地址不对时返回 404。",
        ),
        Text("Type the address that ends in /v1.", "请填写以 /v1 结尾的地址。"),
        gate=True,
    ),
    Check(
        "address_other_form",
        "address",
        other_address,
        Text(
            "A user who types the address without /v1, or with it, gets 404 when adding a model.",
            "用户填写地址时少写或多写 /v1，添加模型就会得到 404。",
        ),
        Text(
            "Serve the same paths with and without /v1, by the server or a proxy in front of it.",
            "请让服务器或其前面的代理同时提供带 /v1 与不带 /v1 的路径。",
        ),
        needed=False,
    ),
    Check(
        "models_listed",
        "address",
        models_listed,
        Text(
            "Names are typed by hand: without a list nobody sees which are right.",
            "模型名称由人手工填写：没有列表就无法核对。",
        ),
        Text("Answer GET /v1/models with all names.", "请让 GET /v1/models 返回所有名称。"),
        needed=False,
    ),
    Check(
        "key_wrong_refused",
        "address",
        wrong_key,
        Text(
            "Dify stores a wrong key as valid, and anyone in the network may use the models.",
            "Dify 会把错误的密钥当作有效保存，且网络中任何人都能使用模型。",
        ),
        Text(
            "Let the server, or a proxy in front of it, ask for keys: 401 with a message for any other.",
            "请让服务器或其前面的代理校验密钥：其他密钥一律返回 401 并附说明。",
        ),
    ),
    Check(
        "key_empty_header",
        "address",
        empty_key,
        Text(
            "Who leaves the key empty meets an error that says nothing: embedding calls then send an empty"
            " `Authorization:` header.",
            "用户未填密钥时会看到含义不明的错误：此时向量调用会发送空的 `Authorization:` 头。",
        ),
        Text("Treat an empty header as no key.", "请把空的头视为没有密钥。"),
        needed=False,
    ),
)
