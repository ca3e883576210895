"""An official installation, judged: each fact found and needed, why it matters, the exact fix. No value is shown."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from freehold.config.loopback import is_loopback
from freehold.deploy.dify.official import topics
from freehold.deploy.dify.official.override import CA_VARIABLES, TRUSTING, fixed
from freehold.deploy.dify.official.reading import Official, Part
from freehold.deploy.doctor.check import Check, Text
from freehold.deploy.doctor.judging import Report

INIT_MAX = 30
DEBUG_PORT = "5003"

_SECRETS = {
    "api": ("SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "CODE_EXECUTION_API_KEY", "INNER_API_KEY_FOR_PLUGIN"),
    "plugin_daemon": ("SERVER_KEY", "DIFY_INNER_API_KEY"),
    "sandbox": ("API_KEY",),
}
_STORES = {"weaviate": "WEAVIATE_API_KEY", "qdrant": "QDRANT_API_KEY", "pgvector": "PGVECTOR_PASSWORD"}
_INSIDE = (
    "DB_HOST",
    "REDIS_HOST",
    "CELERY_BROKER_URL",
    "PLUGIN_DAEMON_URL",
    "CODE_EXECUTION_ENDPOINT",
    "INTERNAL_FILES_URL",
    "SSRF_PROXY_HTTP_URL",
)
_STORE_PLACES = {"weaviate": "WEAVIATE_ENDPOINT", "qdrant": "QDRANT_URL", "pgvector": "PGVECTOR_HOST"}
_BROWSER = ("CONSOLE_API_URL", "CONSOLE_WEB_URL", "APP_WEB_URL", "FILES_URL", "TRIGGER_URL", "ENDPOINT_URL_TEMPLATE")
_TRUE = frozenset({"true", "1", "yes", "on"})
NONE = Text("none", "无")


@dataclass(frozen=True)
class Asked:
    """What the judged installation is meant for."""

    forbidden: frozenset[str]
    """Values that Dify publishes."""
    is_closed: bool = False
    """Whether it has no way to the internet."""
    has_ca: bool = False
    """Whether the company has a CA of its own."""
    models_url: str = ""
    """Where its plugins are to find our models."""


def judge(official: Official, asked: Asked) -> Report:
    """Every check of an installation. Pure."""
    return Report("dify", tuple(check for checking in _CHECKS for check in checking(official, asked)))


def _secrets(official: Official, asked: Asked) -> Iterator[Check]:
    named = [(part, name) for part, names in _SECRETS.items() for name in names]
    store = official.value("api", "VECTOR_STORE")
    if store in _STORES:
        named.append(("api", _STORES[store]))
    public = [f"{part}.{name}" for part, name in named if official.value(part, name) in asked.forbidden]
    if _broker_password(official) in asked.forbidden:
        public.append("api.CELERY_BROKER_URL")
    needed = Text("values of your own", "自有的值")
    if public:
        yield topics.PUBLIC_SECRETS.judged("fail", ", ".join(public), needed)
    else:
        yield topics.PUBLIC_SECRETS.ok(needed, needed)


def _init(official: Official, asked: Asked) -> Iterator[Check]:
    length = len(official.value("api", "INIT_PASSWORD"))
    needed = Text(f"set, {INIT_MAX} characters at most", f"已设置，最多 {INIT_MAX} 个字符")
    if length > INIT_MAX:
        yield topics.INIT_PASSWORD.judged("fail", Text(f"{length} characters", f"{length} 个字符"), needed)
    elif not length:
        yield topics.INIT_PASSWORD.judged("warn", Text("empty", "为空"), needed)
    else:
        yield topics.INIT_PASSWORD.ok(Text("set", "已设置"), needed)


def _debug(official: Official, asked: Asked) -> Iterator[Check]:
    open_ports = [port for port in official.parts["plugin_daemon"].ports if _is_open(port)]
    needed = Text("on 127.0.0.1, or not published", "仅 127.0.0.1，或不发布")
    if open_ports:
        yield topics.DEBUG_PORT.judged("fail", ", ".join(open_ports), needed)
    else:
        yield topics.DEBUG_PORT.ok(needed, needed)


def _is_open(port: str) -> bool:
    target = port.rpartition(":")[2].partition("/")[0]
    return target == DEBUG_PORT and not port.startswith(("127.", "localhost:", "[::1]:"))


def _telemetry(official: Official, asked: Asked) -> Iterator[Check]:
    calling = [
        name
        for name, is_on in (
            ("CHECK_UPDATE_URL", bool(official.value("api", "CHECK_UPDATE_URL"))),
            ("NEXT_TELEMETRY_DISABLED", official.value("web", "NEXT_TELEMETRY_DISABLED") not in _TRUE),
            ("AMPLITUDE_API_KEY", bool(official.value("web", "AMPLITUDE_API_KEY"))),
            (
                "WEAVIATE_DISABLE_TELEMETRY",
                official.value("api", "VECTOR_STORE") == "weaviate"
                and official.value("weaviate", "DISABLE_TELEMETRY") not in _TRUE,
            ),
        )
        if is_on
    ]
    if calling:
        yield topics.TELEMETRY.lacking("needed" if asked.is_closed else "wished", ", ".join(calling), NONE)
    else:
        yield topics.TELEMETRY.ok(NONE, NONE)


def _marketplace(official: Official, asked: Asked) -> Iterator[Check]:
    value = official.value("api", "MARKETPLACE_ENABLED") or "true"
    if value.lower() not in _TRUE:
        yield topics.MARKETPLACE.ok(value, "false")
    else:
        yield topics.MARKETPLACE.lacking("needed" if asked.is_closed else "unasked", value, "false")


def _migration(official: Official, asked: Asked) -> Iterator[Check]:
    value = official.value("api", "MIGRATION_ENABLED") or "true"
    yield topics.MIGRATION.judged("ok" if value.lower() in _TRUE else "warn", value, "true")


def _pairs(official: Official, asked: Asked) -> Iterator[Check]:
    same = Text("the same on both sides", "两侧一致")
    runners = [name for name in ("api", "worker") if name in official.parts]
    sandbox = [
        ("sandbox", "API_KEY", name, "CODE_EXECUTION_API_KEY") for name in runners if "sandbox" in official.parts
    ]
    daemon = [("plugin_daemon", "SERVER_KEY", name, "PLUGIN_DAEMON_KEY") for name in runners]
    daemon += [("plugin_daemon", "DIFY_INNER_API_KEY", name, "INNER_API_KEY_FOR_PLUGIN") for name in runners]
    for topic, pairs in ((topics.SANDBOX_KEY, sandbox), (topics.PLUGIN_KEYS, daemon)):
        apart = [
            f"{one}.{its} ≠ {other}.{others}"
            for one, its, other, others in pairs
            if official.value(one, its) != official.value(other, others)
        ]
        yield topic.judged("fail", ", ".join(apart), same) if apart else topic.ok(same, same)


def _broker(official: Official, asked: Asked) -> Iterator[Check]:
    same = Text("the password of REDIS_PASSWORD", "与 REDIS_PASSWORD 相同的密码")
    is_same = _broker_password(official) == official.value("api", "REDIS_PASSWORD")
    yield topics.BROKER.ok(same, same) if is_same else topics.BROKER.judged("fail", Text("another", "不同"), same)


def _broker_password(official: Official) -> str:
    try:
        return unquote(urlsplit(official.value("api", "CELERY_BROKER_URL")).password or "")
    except ValueError:
        return ""


def _nginx(official: Official, asked: Asked) -> Iterator[Check]:
    needed = Text("upstreams by variable, and a resolver", "上游使用变量并配置 resolver")
    if official.nginx is None or "nginx" not in official.parts:
        yield topics.NGINX.unknown("no nginx of Dify's own", needed)
    elif (hosts := fixed(official.nginx)) and not _mounts(official.parts["nginx"], "default.conf.template"):
        yield topics.NGINX.judged("warn", ", ".join(hosts), needed)
    else:
        yield topics.NGINX.ok(needed, needed)


def _own_ca(official: Official, asked: Asked) -> Iterator[Check]:
    needed = ", ".join(CA_VARIABLES[:2])
    without = [
        name
        for name in TRUSTING
        if name in official.parts and not all(official.value(name, one) for one in CA_VARIABLES[:2])
    ]
    if not without:
        yield topics.OWN_CA.ok(needed, needed)
    else:
        yield topics.OWN_CA.lacking(
            "needed" if asked.has_ca else "unasked",
            Text(f"not in {', '.join(without)}", f"未设置：{', '.join(without)}"),
            needed,
        )


def _addresses(official: Official, asked: Asked) -> Iterator[Check]:
    store = official.value("api", "VECTOR_STORE")
    names = [*_INSIDE, *([_STORE_PLACES[store]] if store in _STORE_PLACES else [])]
    inside = [f"api.{name}" for name in names if _is_loopback(official.value("api", name))]
    inside += ["plugin_daemon.DIFY_INNER_API_URL"] * _is_loopback(official.value("plugin_daemon", "DIFY_INNER_API_URL"))
    inside += ["dify.models_url"] * _is_loopback(asked.models_url)
    yield topics.LOOPBACK.judged("fail", ", ".join(inside), NONE) if inside else topics.LOOPBACK.ok(NONE, NONE)
    browser = [name for name in _BROWSER if _is_loopback(official.value("api", name))]
    browser += ["NEXT_PUBLIC_SOCKET_URL"] * _is_loopback(official.value("web", "NEXT_PUBLIC_SOCKET_URL"))
    topic = topics.BROWSER_ADDRESSES
    yield topic.judged("warn", ", ".join(browser), NONE) if browser else topic.ok(NONE, NONE)


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return is_loopback(host)


def _images(official: Official, asked: Asked) -> Iterator[Check]:
    floating = [part.image for part in official.parts.values() if _floats(part.image)]
    if floating:
        yield topics.IMAGES.lacking("wished", ", ".join(dict.fromkeys(floating)), Text("versions", "具体版本"))
    else:
        yield topics.IMAGES.ok(NONE, Text("versions", "具体版本"))


def _floats(image: str) -> bool:
    if not image or "@" in image:
        return False
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag in ("", "latest")


def _signatures(official: Official, asked: Asked) -> Iterator[Check]:
    value = official.value("plugin_daemon", "FORCE_VERIFYING_SIGNATURE") or "true"
    yield topics.SIGNATURES.judged("ok" if value.lower() in _TRUE else "warn", value, "true")


def _mounts(part: Part, name: str) -> bool:
    return any(volume.split(":")[1:2] == [f"/etc/nginx/conf.d/{name}"] for volume in part.volumes)


_CHECKS: Iterable[Callable[[Official, Asked], Iterator[Check]]] = (
    _secrets,
    _init,
    _pairs,
    _broker,
    _debug,
    _signatures,
    _addresses,
    _nginx,
    _own_ca,
    _telemetry,
    _marketplace,
    _migration,
    _images,
)
