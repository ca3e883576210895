"""The provider's models, their credentials, the defaults of the workspace."""

import re
from typing import Any

from tests.dify_console.calling import FailedError, validated
from tests.dify_console.entrance import who
from tests.dify_console.state import PROVIDER, Model, new_id
from tests.dify_console.web import Call, RefusedError, Reply

TYPES = ("llm", "text-embedding", "rerank", "speech2text", "tts")
_CHOICES: dict[str, tuple[str, ...]] = {
    "mode": ("chat", "completion"),
    "function_calling_type": ("function_call", "tool_call", "no_call"),
    "stream_function_calling": ("supported", "not_supported"),
    "vision_support": ("support", "no_support"),
    "structured_output_support": ("supported", "not_supported"),
    "agent_thought_support": ("supported", "not_supported", "only_thinking_supported"),
    "compatibility_mode": ("strict", "extended"),
    "encoding_format": ("float", "not_set"),
    "stream_mode_auth": ("use", "not_use"),
    "token_param_name": ("auto", "max_tokens", "max_completion_tokens"),
}
_EVERY = ("endpoint_url", "api_key", "display_name", "endpoint_model_name")
_LLM = (*_CHOICES, "context_size", "max_tokens_to_sample", "stream_mode_delimiter")
_FIELDS: dict[str, tuple[str, ...]] = {
    "llm": (*_EVERY, *_LLM),
    "text-embedding": (
        *(
            *_EVERY,
            "context_size",
            "max_chunks",
            "encoding_format",
            "document_prefix",
            "query_prefix",
            "vision_support",
        ),
    ),
    "rerank": (*_EVERY, "context_size", "vision_support"),
    "speech2text": (*_EVERY, "language", "initial_prompt"),
    "tts": (*_EVERY, "voices", "audio_type", "word_limit", "max_workers"),
}
_NEEDED = {
    "llm": ("endpoint_url", "context_size"),
    "text-embedding": ("endpoint_url", "context_size", "max_chunks"),
    "rerank": ("endpoint_url", "context_size"),
}
_NUMBERS = ("context_size", "max_tokens_to_sample", "max_chunks", "word_limit", "max_workers")


def listed(call: Call) -> Reply:
    rows = [
        {
            "model": one.name,
            "model_type": one.kind,
            "status": one.status,
            "fetch_from": "customizable-model",
            "label": {},
        }
        for one in call.dify.models
        if one.listed
    ]
    return Reply({"data": rows})


def shown(call: Call) -> Reply:
    """The credential in force, its key with stars in the middle, as Dify shows it."""
    query = call.params("model model_type config_from credential_id")
    model = call.dify.model(query.get("model", ""), _kind(call, query.get("model_type")))
    values = {
        key: _starred(value) if key == "api_key" else value for key, value in (model.values if model else {}).items()
    }
    document: dict[str, Any] = {"credentials": values, "load_balancing": {"enabled": False, "configs": []}}
    if call.dify.credential_names:
        known = model.credentials if model else {}
        document["current_credential_id"] = model.current if model else None
        document["current_credential_name"] = known[model.current][0] if model and model.current else None
        names = [{"credential_id": one, "credential_name": name} for one, (name, _) in known.items()]
        document["available_credentials"] = names
    return Reply(document)


def validate(call: Call) -> Reply:
    body = call.body("model model_type credentials")
    try:
        _check(call, body)
    except RefusedError as refused:
        return Reply({"result": "error", "error": refused.message})
    return Reply({"result": "success"})


def create(call: Call) -> Reply:
    body = call.body("model model_type credentials", "name")
    name = _label(call, body)
    _check(call, body)
    model = call.dify.model(body["model"], body["model_type"])
    if model is None:
        model = Model(body["model"], body["model_type"])
        call.dify.models.append(model)
    if name in (known for known, _ in model.credentials.values()):
        raise RefusedError(400, "invalid_param", f"Model credential with name '{name}' already exists")
    one = new_id()
    fresh = not model.credentials
    model.credentials[one] = (name, body["credentials"])
    if fresh or not model.listed:  # a model that lost its credential does not get this one by itself
        model.current, model.listed = one, True
    return Reply({"result": "success"}, 201)


def update(call: Call) -> Reply:
    body = call.body("model model_type credentials credential_id", "name")
    model = _known(call, body)
    name = _label(call, body)
    _check(call, body)
    if name in (known for one, (known, _) in model.credentials.items() if one != body["credential_id"]):
        raise RefusedError(400, "invalid_param", f"Model credential with name '{name}' already exists")
    model.credentials[body["credential_id"]] = (name, body["credentials"])
    return Reply({"result": "success"})


def remove_credential(call: Call) -> Reply:
    body = call.body("model model_type credential_id")
    model = _known(call, body)
    del model.credentials[body["credential_id"]]
    if not model.credentials:
        call.dify.models.remove(model)
    elif model.current == body["credential_id"]:  # none of the others takes its place
        model.current = None
    return Reply({"result": "success"}, 204)


def remove(call: Call) -> Reply:
    body = call.body("model model_type")
    model = call.dify.model(body["model"], _kind(call, body["model_type"]))
    if model is not None and call.dify.credential_names:
        model.listed, model.current = False, None
    elif model is not None:
        call.dify.models.remove(model)
    return Reply({"result": "success"}, 204)


def switch(call: Call) -> Reply:
    """Take a credential into force; a model that was removed comes back."""
    body = call.body("model model_type credential_id")
    model = _known(call, body)
    model.current, model.listed = body["credential_id"], True
    return Reply({"result": "success"})


def keep(call: Call) -> Reply:
    """How a Dify before named credentials adds and changes a model; newer ones only balance load here."""
    if call.dify.credential_names:
        raise call.misused("credentials are added at models/credentials")
    body = call.body("model model_type credentials", "config_from load_balancing")
    _check(call, body)
    model = call.dify.model(body["model"], body["model_type"])
    if model is None:
        model = Model(body["model"], body["model_type"])
        call.dify.models.append(model)
    model.credentials, model.current = {"only": ("", body["credentials"])}, "only"
    return Reply({"result": "success"})


def default(call: Call) -> Reply:
    found = call.dify.defaults.get(_kind(call, call.params("model_type").get("model_type")))
    if found is None:
        return Reply({"data": None})
    name, provider = found
    return Reply({"data": {"model": name, "model_type": call.query["model_type"], "provider": {"provider": provider}}})


def set_defaults(call: Call) -> Reply:
    for setting in call.body("model_settings")["model_settings"]:
        if set(setting) != {"model_type", "provider", "model"}:
            raise call.misused(f"a setting has {sorted(setting)}")
        if setting["provider"] == PROVIDER and call.dify.model(setting["model"], setting["model_type"]) is None:
            raise RefusedError(400, "invalid_param", f"Model {setting['model']} does not exist.")
        call.dify.defaults[_kind(call, setting["model_type"])] = (setting["model"], setting["provider"])
    return Reply({"result": "success"})


def named_credentials(call: Call) -> None:
    """A guard: an older Dify has no such method at this path."""
    who(call)
    if not call.dify.credential_names:
        raise RefusedError(405, "method_not_allowed", "The method is not allowed for the requested URL.")


def _known(call: Call, body: dict[str, Any]) -> Model:
    model = call.dify.model(body["model"], _kind(call, body["model_type"]))
    if model is None or body["credential_id"] not in model.credentials:
        raise RefusedError(400, "invalid_param", "Credential record not found.")
    return model


def _kind(call: Call, kind: str | None) -> str:
    if kind not in TYPES:
        raise call.misused(f"{kind} is no type of model")
    return kind


def _label(call: Call, body: dict[str, Any]) -> str:
    name = body.get("name") or f"API KEY {len(call.dify.models) + 1}"
    if len(name) > 30:
        raise call.misused("the name of a credential has at most 30 characters")
    return str(name)


def _check(call: Call, body: dict[str, Any]) -> None:
    """The form first, then the model itself, as Dify does before it keeps anything."""
    kind, values = _kind(call, body["model_type"]), body["credentials"]
    if all(plugin["plugin_id"] != PROVIDER.rpartition("/")[0] for plugin in call.dify.plugins):
        raise RefusedError(400, "invalid_param", f"Provider {PROVIDER} does not exist.")
    wrong = [key for key, value in values.items() if key not in _FIELDS[kind] or not isinstance(value, str)]
    wrong += [key for key in _NEEDED.get(kind, ("endpoint_url",)) if not values.get(key)]
    wrong += [key for key, choices in _CHOICES.items() if key in values and values[key] not in choices]
    wrong += [key for key in _NUMBERS if key in values and not re.fullmatch(r"[0-9]+", values[key])]
    if wrong:
        raise call.misused(f"the form of {kind} does not take these, or lacks them: {sorted(set(wrong))}")
    try:
        validated(call.dify, body["model"], kind, values)
    except FailedError as error:
        raise RefusedError(400, "invalid_param", str(error)) from None


def _starred(secret: str) -> str:
    return secret[:6] + "*" * 12 + secret[-2:] if len(secret) > 8 else "*" * 20
