"""Which Dify a configuration means, who signs in there, and the key that Dify calls our models with."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from freehold.access import INITIAL_FILE
from freehold.config import Config, Deploy, Dify, home, resolve
from freehold.config.dify import Console as ConsoleAccount
from freehold.config.labels import GATEWAY
from freehold.deploy.compose.dify import SECRETS_FILE
from freehold.deploy.compose.layout import secret_path
from freehold.deploy.dify.console import Account, AdminKey, Credentials, Door, Say, is_set_up, set_up
from freehold.deploy.kubernetes.dify.naming import SECRETS as CLUSTER_SECRETS
from freehold.deploy.kubernetes.naming import SECRET_KEY, secret_of
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.model_places import state
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.topology.facts import address
from freehold.deploy.topology.secrets import read
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class ModelsKey:
    """The key of our server: what it is, and where a person finds it. Both empty: it asks for none."""

    value: str = field(default="", repr=False)
    place: str = ""
    is_wide: bool = False
    """Whether it is one of our own servers', which may do more than ask models."""


def models_key(config: Config, environ: Mapping[str, str], *, reads: bool) -> ModelsKey:
    """What is said, else what the deployment or the server made. Its value is left out unless `reads`.

    Raises `dify_key_wanted` where it is read and there is none, and what `resolve` raises.
    """
    if config.access.auth == "none":
        return ModelsKey()
    own = (config.dify or Dify()).models_key
    told = own or config.access.key
    if told is not None:
        return ModelsKey(_for_header(told, environ) if reads else "", told, own is None)
    if config.deploy is not None and config.deploy.target == "kubernetes":
        return _cluster_key(config.deploy, environ, reads=reads)
    file = _made(config, environ)
    place = f"$(cat {quote(str(file))})"
    is_wide = file.name != INITIAL_FILE
    if not reads:
        return ModelsKey("", place, is_wide)
    try:
        return ModelsKey(file.read_text(encoding="ascii").strip(), place, is_wide)
    except (OSError, UnicodeDecodeError):
        raise FreeholdError("dify_key_wanted", path=file) from None


def _cluster_key(settings: Deploy, environ: Mapping[str, str], *, reads: bool) -> ModelsKey:
    """The key that the deployment made, in its Secret."""
    namespace, name = settings.namespace or settings.name, secret_of(ACCESS)
    place = f"$(kubectl -n {namespace} get secret {name} --output jsonpath={{.data.{SECRET_KEY}}} | base64 --decode)"
    if not reads:
        return ModelsKey("", place, is_wide=True)
    value = _cluster_secret(settings, environ, name).get(SECRET_KEY, "").strip()
    if not value:
        raise FreeholdError("dify_key_wanted", path=f"Secret {name}")
    return ModelsKey(value, place, is_wide=True)


def _made(config: Config, environ: Mapping[str, str]) -> Path:
    """The file of the key that was made: by a deployment, by its gateway under systemd, else by `freehold serve`."""
    deploy = config.deploy
    if deploy is None:
        return home(environ) / INITIAL_FILE
    if deploy.target == "compose":
        return Releases(home(environ), deploy.name).folder / "compose" / secret_path(ACCESS)
    return Path(state(GATEWAY, deploy)[0].source) / INITIAL_FILE


@dataclass(frozen=True)
class Place:
    """One Dify: its address, who signs in, and of a new one the word that its first account is made with."""

    address: str
    credentials: Credentials = field(repr=False)
    init_password: str | None = field(default=None, repr=False)
    console: ConsoleAccount | None = None
    """Of one that we deployed: the account is made where there is none yet."""

    def is_new(self, door: Door, say: Say) -> bool:
        """Whether `prepare` would make an account. Changes nothing. Raises `dify_console_...`."""
        return self.console is not None and not is_set_up(door, say)

    def prepare(self, door: Door, say: Say) -> None:
        """Give a new one its administrator. Raises `dify_console_...`."""
        if self.console is not None and isinstance(self.credentials, Account):
            name, language = self.console.name, self.console.language
            set_up(door, self.credentials, say, name=name, language=language, init_password=self.init_password)


def place_of(config: Config, dify: Dify, environ: Mapping[str, str]) -> Place:
    """The Dify that is meant. Raises `dify_account_wanted`, `dify_secrets_missing`, and what `resolve` raises."""
    if dify.url is not None:
        return Place(dify.url.rstrip("/"), _credentials(dify, environ))
    secrets = _deployed_secrets(config, dify.version or "", environ)
    account = Account(dify.console.email, secrets["console_password"])
    return Place(address(config, dify), account, secrets["init_password"], dify.console)


def _deployed_secrets(config: Config, version: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """What the deployment of a Dify made: on this machine a file, on a cluster a Secret."""
    settings = config.deploy or Deploy()
    if settings.target == "kubernetes":
        found = _cluster_secret(settings, environ, CLUSTER_SECRETS)
        place = f"Secret {CLUSTER_SECRETS}"
    else:
        file = Releases(home(environ), settings.name).folder / "compose" / SECRETS_FILE
        found = read(file, version) if file.is_file() else {}
        place = str(file)
    if not {"console_password", "init_password"} <= found.keys():
        raise FreeholdError("dify_secrets_missing", place=place)
    return found


def _cluster_secret(settings: Deploy, environ: Mapping[str, str], name: str) -> Mapping[str, str]:
    """What a Secret of the deployment's namespace holds. Raises `cluster_extra_missing`, and what `connect` does."""
    if find_spec("lightkube") is None:
        raise FreeholdError("cluster_extra_missing")
    from lightkube.resources.core_v1 import Secret

    from freehold.deploy.kubernetes.api import Api
    from freehold.deploy.kubernetes.connection import connect

    namespace = settings.namespace or settings.name
    found = Api(connect(namespace, environ, context=settings.context), namespace).find(Secret, name)
    data = (found.data or {}) if found is not None else {}
    return {key: base64.b64decode(value).decode("utf-8") for key, value in data.items()}


def _credentials(dify: Dify, environ: Mapping[str, str]) -> Credentials:
    """Who signs in to an existing Dify."""
    if dify.admin_key is not None:
        return AdminKey(_for_header(dify.admin_key, environ), dify.workspace)
    if dify.email is not None and dify.password is not None:
        return Account(dify.email, resolve(dify.password, environ), dify.workspace)
    raise FreeholdError("dify_account_wanted", url=dify.url or "")


def _for_header(reference: str, environ: Mapping[str, str]) -> str:
    """A key. Raises `secret_malformed` for characters that a header has not, and what `resolve` raises."""
    key = resolve(reference, environ)
    if not key.isascii():
        raise FreeholdError("secret_malformed", reference=reference)
    return key
