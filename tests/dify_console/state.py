"""What the console knows, and the switches by which it is another Dify or a broken one."""

import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

PLUGIN = "langgenius/openai_api_compatible"
PROVIDER = f"{PLUGIN}/openai_api_compatible"
IDENTIFIER = f"{PLUGIN}:0.0.63@{'ab' * 32}"
WRONG_PASSWORDS = 5


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class User:
    """Who signs in."""

    email: str = "admin@example.com"
    password: str = "secret123"
    role: Literal["owner", "admin", "editor", "normal"] = "owner"
    status: Literal["active", "banned"] = "active"
    name: str = "admin"
    language: str = "en-US"


@dataclass
class Model:
    """A model of the provider: its credentials by id, each a name and its values, and which is in force.

    One that is not `listed` was removed by hand: its credentials outlive it.
    """

    name: str
    kind: str
    credentials: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    current: str | None = None
    listed: bool = True

    @property
    def status(self) -> str:
        return "active" if self.current else "credential-removed"

    @property
    def values(self) -> dict[str, Any]:
        return self.credentials[self.current][1] if self.current else {}


@dataclass
class App:
    """An app: what its list shows of its model, all its settings, and its workflow's graphs."""

    name: str
    mode: str = "chat"
    settings: dict[str, Any] = field(default_factory=dict)
    draft: dict[str, Any] | None = None
    published: dict[str, Any] | None = None
    id: str = field(default_factory=new_id)
    keys: list[str] = field(default_factory=list)


@dataclass
class Knowledge:
    """A knowledge base with its texts and their vectors; `private` ones are seen by owners alone."""

    name: str
    embedding: str | None = None
    provider: str | None = PROVIDER
    retrieval: dict[str, Any] = field(default_factory=dict)
    private: bool = False
    id: str = field(default_factory=new_id)
    texts: list[tuple[str, list[float]]] = field(default_factory=list)
    batch: str = ""
    polls: int = 0


@dataclass
class Dify:
    """One Dify. A fresh one has no administrator: `with_user` gives it one, `with_plugin` the provider."""

    # What it is
    version: str | None = "1.15.0"
    passwords: Literal["base64", "plain"] = "base64"
    tokens: Literal["cookies", "body"] = "cookies"
    https: bool = False
    """CONSOLE_API_URL and CONSOLE_WEB_URL are https: cookies are Secure, their names begin with `__Host-`."""
    credential_names: bool = True
    """Several credentials a model, with names and ids; older ones keep one, at another path."""
    admin_key: str | None = None
    init_password: str | None = None
    largest_package: int = 50 << 20
    proxy_limit: int = 100 << 20
    trusts: ssl.SSLContext | None = None
    """The authorities of the plugin daemon."""
    service_api: bool = True
    """Whether /v1 of this address leads to the api."""

    # What goes wrong
    outages: int = 0
    """So many requests are answered by the proxy: 502."""
    moved: str | None = None
    """Where every request is sent on to."""
    pending: int = 1
    """So many looks at an installation find it under way; -1: all."""
    failures: list[str] = field(default_factory=list)
    """What the next installations die of, one by one."""
    half: bool = False
    """A failed installation leaves the plugin in the list."""
    trusts_package: bool = True
    package: str = IDENTIFIER
    """What the packages that are uploaded are."""
    plugin_starts: int = 0
    """So many calls of models find the plugin not running; -1: all."""
    indexing_polls: int = 1
    indexing_error: str | None = None
    changed: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Another shape of what a route answers, by its name: `GET /apps`."""
    broken: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """A route that answers this status and document instead, without doing anything."""

    # What it knows
    users: list[User] = field(default_factory=list)
    workspace: str = field(default_factory=new_id)
    sessions: dict[str, User] = field(default_factory=dict)
    refresh_tokens: dict[str, User] = field(default_factory=dict)
    validated: set[str] = field(default_factory=set)
    wrong: dict[str, int] = field(default_factory=dict)
    plugins: list[dict[str, Any]] = field(default_factory=list)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    defaults: dict[str, tuple[str, str]] = field(default_factory=dict)
    apps: list[App] = field(default_factory=list)
    knowledge: list[Knowledge] = field(default_factory=list)
    knowledge_keys: dict[str, str] = field(default_factory=dict)

    # What was seen
    asked: list[str] = field(default_factory=list)
    """Every request, as method and path."""
    misuse: list[str] = field(default_factory=list)
    url: str = ""

    def with_user(self, **what: Any) -> "Dify":
        self.users.append(User(**what))
        return self

    def with_plugin(self, identifier: str = IDENTIFIER) -> "Dify":
        plugin, _, rest = identifier.partition(":")
        known = {"plugin_id": plugin, "plugin_unique_identifier": identifier, "version": rest.partition("@")[0]}
        self.plugins.append({"id": new_id(), "installation_id": new_id(), "source": "package", **known})
        return self

    def model(self, name: str, kind: str) -> Model | None:
        return next((model for model in self.models if (model.name, model.kind) == (name, kind)), None)

    def forget_sessions(self) -> None:
        """The access tokens run out, as after 60 minutes; the refresh tokens live on."""
        self.sessions.clear()

    def times(self, request: str) -> int:
        """How often that was asked."""
        return self.asked.count(request)
