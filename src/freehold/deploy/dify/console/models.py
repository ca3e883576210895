"""The models of the provider, their credentials, and Dify's default models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from freehold.deploy.dify.console.answers import Answer, hidden
from freehold.deploy.dify.console.calls import MODEL_S, PROVIDER, Calls
from freehold.deploy.dify.console.setting_up import Say
from freehold.deploy.dify.console.wire import Request
from freehold.errors import FreeholdError

ModelType = Literal["llm", "text-embedding", "rerank", "speech2text", "tts"]

_PROVIDER = f"/workspaces/current/model-providers/{PROVIDER}"
_DEFAULT = "/workspaces/current/default-model"
_NOT_THERE = (404, 405)
_DEAD = re.compile(r"no available node|plugin not found|plugin runtime not found|plugin[^.]{0,80} is not running", re.I)
_LABEL = 30  # characters of a credential's name


@dataclass(frozen=True)
class Registered:
    """A model that the provider has in this workspace. `status` is Dify's: `active` is usable."""

    name: str
    type: str
    status: str


@dataclass(frozen=True)
class Credential:
    """How the provider reaches a model: `values` as Dify shows them, secrets with stars in them.

    `id` and `name` are None with an older Dify, which keeps one credential a model; `ids` are all that the model has.
    """

    id: str | None
    name: str | None
    values: Mapping[str, str] = field(repr=False)
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Default:
    """A default model of the workspace, of whatever provider."""

    name: str
    provider: str


class Row(msgspec.Struct, frozen=True):
    """A model in the provider's list."""

    model: str
    model_type: str
    status: str = "active"


class Rows(msgspec.Struct, frozen=True):
    """The provider's list."""

    data: tuple[Row, ...]


class Named(msgspec.Struct, frozen=True):
    """One of the credentials that a model may be switched to."""

    credential_id: str
    credential_name: str = ""


class Shown(msgspec.Struct, frozen=True):
    """The credential that is in force, and all that there are."""

    credentials: dict[str, Any] | None
    current_credential_id: str | None = None
    current_credential_name: str | None = None
    available_credentials: tuple[Named, ...] | None = None


class Validation(msgspec.Struct, frozen=True):
    """What calling the model showed: `success`, or `error` with the plugin's words."""

    result: str
    error: str | None = None


class DefaultProvider(msgspec.Struct, frozen=True):
    """Whose default model it is."""

    provider: str


class DefaultModel(msgspec.Struct, frozen=True):
    """A default model."""

    model: str
    provider: DefaultProvider


class DefaultReply(msgspec.Struct, frozen=True):
    """`data` is null where none was chosen."""

    data: DefaultModel | None


class Models:
    """The models of the provider `openai_api_compatible` in one workspace. Every method raises as `Calls.ask`."""

    def __init__(self, calls: Calls, say: Say) -> None:
        self._calls = calls
        self._say = say

    def listed(self) -> tuple[Registered, ...]:
        """All that were added, in Dify's order."""
        rows = self._calls.ask(Request("GET", f"{_PROVIDER}/models"), Rows).data
        return tuple(Registered(row.model, row.model_type, row.status) for row in rows)

    def credential(self, name: str, kind: ModelType) -> Credential | None:
        """How the model is reached now; None where it has no credential."""
        shown = self._shown(name, kind)
        if not shown.credentials:
            return None
        ids = tuple(other.credential_id for other in shown.available_credentials or ())
        values = {key: str(value) for key, value in shown.credentials.items() if value is not None}
        return Credential(shown.current_credential_id, shown.current_credential_name, values, ids)

    def validate(self, name: str, kind: ModelType, values: Mapping[str, str]) -> str | None:
        """Let Dify call the model with these credentials: None, or the plugin's words of what is wrong.

        Raises `dify_console_plugin_dead` where the plugin does not run.
        """
        body = {"model": name, "model_type": kind, "credentials": values}
        answer = self._with_a_call("POST", "/models/credentials/validate", body)
        if not answer.ok:
            raise _refused(answer, name, kind)
        found = answer.read(Validation)
        if found.result == "success":
            return None
        return hidden(found.error or found.result, answer.secrets)

    def put(self, name: str, kind: ModelType, values: Mapping[str, str], label: str) -> None:
        """Add a model, or change how it is reached; Dify calls it first. `label` (30 characters) names the credential.

        Credentials of other names are somebody else's: they stay, and are not in force any more. One of this name is
        changed, also one that outlived its model: Dify refuses a second one. Raises `dify_console_model_refused` with
        the plugin's words, and `dify_console_plugin_dead`.
        """
        label = label[:_LABEL]
        body = {"model": name, "model_type": kind, "credentials": values, "name": label}
        known = self._credential_named(name, kind, label)
        if known is None:
            self._save("POST", body)
        else:
            self._save("PUT", body | {"credential_id": known})
        now = self.credential(name, kind)
        if now is None or (now.name or label) != label:  # Dify takes only a model's first one into force by itself
            ours = {"model": name, "model_type": kind, "credential_id": self._credential_named(name, kind, label)}
            self._calls.do(Request("POST", f"{_PROVIDER}/models/credentials/switch", ours))

    def remove(self, name: str, kind: ModelType) -> None:
        """Take a model out with all its credentials. Whoever calls has made sure that nothing uses it."""
        credential = self.credential(name, kind)
        model = {"model": name, "model_type": kind}
        for one in credential.ids if credential is not None else ():
            self._calls.do(Request("DELETE", f"{_PROVIDER}/models/credentials", model | {"credential_id": one}))
        if any((one.name, one.type) == (name, kind) for one in self.listed()):
            self._calls.do(Request("DELETE", f"{_PROVIDER}/models", model))

    def default(self, kind: ModelType) -> Default | None:
        """The workspace's default model of a type."""
        found = self._calls.ask(Request("GET", _DEFAULT, query={"model_type": kind}), DefaultReply).data
        return None if found is None else Default(found.model, found.provider.provider)

    def set_defaults(self, names: Mapping[ModelType, str]) -> None:
        """Make models of the provider the workspace's defaults, by their types."""
        settings = [{"model_type": kind, "provider": PROVIDER, "model": name} for kind, name in names.items()]
        self._calls.do(Request("POST", _DEFAULT, {"model_settings": settings}))

    def _shown(self, name: str, kind: ModelType) -> Shown:
        query = {"model": name, "model_type": kind, "config_from": "custom-model"}
        return self._calls.ask(Request("GET", f"{_PROVIDER}/models/credentials", query=query), Shown)

    def _credential_named(self, name: str, kind: ModelType, label: str) -> str | None:
        """The id of the model's credential of that name."""
        known = self._shown(name, kind).available_credentials or ()
        return next((one.credential_id for one in known if one.credential_name == label), None)

    def _save(self, method: str, body: dict[str, Any]) -> None:
        """A Dify before credentials had names keeps a model by POST to its list."""
        answer = self._with_a_call(method, "/models/credentials", body)
        if answer.status in _NOT_THERE:
            older = {key: body[key] for key in ("model", "model_type", "credentials")}
            answer = self._with_a_call("POST", "/models", older | {"config_from": "custom-model"})
        if not answer.ok:
            raise _refused(answer, body["model"], body["model_type"])

    def _with_a_call(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        """The answer to what makes Dify call the model; a plugin that is not up yet is waited for.

        The daemon starts plugins anew when it restarts, and until then answers that there is none.
        """
        secrets = tuple(filter(None, (body["credentials"].get("api_key"),)))
        request = Request(method, _PROVIDER + path, body, silence_s=MODEL_S, secrets=secrets)
        words = ""
        for left_s in self._calls.wire.until():
            answer = self._calls.send(request)
            if not _DEAD.search(answer.words):
                return answer
            if not words:
                self._say(f"waiting for the plugin {PROVIDER}, {left_s:.0f} s at most: {answer.words}")
            words = answer.words
        raise FreeholdError("dify_console_plugin_dead", plugin=PROVIDER, reason=words)


def _refused(answer: Answer, name: str, kind: str) -> FreeholdError:
    if answer.status == 400:
        return FreeholdError("dify_console_model_refused", model=name, type=kind, reason=answer.words)
    return answer.refusal()
