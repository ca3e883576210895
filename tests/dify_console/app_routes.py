"""Apps and knowledge bases in the console."""

import json
from typing import Any

from tests.dify_console.entrance import who
from tests.dify_console.state import App, Knowledge, new_id
from tests.dify_console.web import Call, RefusedError, Reply


def apps(call: Call) -> Reply:
    return _page(call, [_listed(app) for app in call.dify.apps], "page limit name mode")


def make_app(call: Call) -> Reply:
    body = call.body("name mode", "description icon_type icon icon_background")
    app = App(body["name"], body["mode"])
    call.dify.apps.append(app)
    return Reply(_detail(app), 201)


def app(call: Call) -> Reply:
    return Reply(_detail(find_app(call)))


def delete_app(call: Call) -> Reply:
    call.dify.apps.remove(find_app(call))
    return Reply({"result": "success"}, 204)


def configure(call: Call) -> Reply:
    """The settings that a chat app needs; a model must be named with its provider and parameters."""
    settings = json.loads(call.content)
    if {"provider", "name", "mode", "completion_params"} - set(settings.get("model", {})):
        raise call.misused("model needs provider, name, mode and completion_params")
    if call.dify.model(settings["model"]["name"], "llm") is None:
        raise RefusedError(400, "invalid_param", "model.name must be in the specified model list")
    find_app(call).settings = settings
    return Reply({"result": "success"})


def app_key(call: Call) -> Reply:
    key = f"app-{new_id()}"
    find_app(call).keys.append(key)
    return Reply({"id": new_id(), "type": "app", "token": key}, 201)


def draft(call: Call) -> Reply:
    graph = find_app(call).draft
    if graph is None:
        raise RefusedError(404, "draft_workflow_not_exist", "Draft workflow need to be initialized.")
    return Reply({"id": new_id(), "graph": graph, "features": {}})


def published(call: Call) -> Reply:
    graph = find_app(call).published
    return Reply(None if graph is None else {"id": new_id(), "graph": graph, "features": {}})


def knowledge(call: Call) -> Reply:
    """Others than the owner see what is shared alone."""
    owner = who(call).role == "owner" and call.query.get("include_all") == "true"
    return _page(
        call, [detail(one) for one in call.dify.knowledge if owner or not one.private], "page limit include_all"
    )


def knowledge_key(call: Call) -> Reply:
    if len(call.dify.knowledge_keys) >= 10:
        raise RefusedError(400, "max_keys_exceeded", "Cannot create more than 10 API keys for this resource type.")
    one, key = new_id(), f"dataset-{new_id()}"
    call.dify.knowledge_keys[one] = key
    return Reply({"id": one, "type": "dataset", "token": key})


def delete_knowledge_key(call: Call) -> Reply:
    if call.dify.knowledge_keys.pop(call.words["key"], None) is None:
        raise RefusedError(404, "not_found", "API key not found")
    return Reply("", 204)


def find_app(call: Call) -> App:
    found = next((one for one in call.dify.apps if one.id == call.words["app"]), None)
    if found is None:
        raise RefusedError(404, "app_not_found", "App not found.")
    return found


def detail(one: Knowledge) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "permission": "only_me" if one.private else "all_team_members",
        "indexing_technique": "high_quality" if one.embedding else "economy",
        "embedding_model": one.embedding,
        "embedding_model_provider": one.provider if one.embedding else None,
        "retrieval_model_dict": one.retrieval,
    }


def _listed(one: App) -> dict[str, Any]:
    """The list shows of an app's settings the model alone."""
    model = {"model": one.settings["model"], "pre_prompt": ""} if "model" in one.settings else None
    return {"id": one.id, "name": one.name, "mode": one.mode, "model_config": model}


def _detail(one: App) -> dict[str, Any]:
    return {**_listed(one), "model_config": one.settings or None, "api_base_url": "http://localhost/v1"}


def _page(call: Call, rows: list[dict[str, Any]], allowed: str) -> Reply:
    query = call.params(allowed)
    page, limit = int(query.get("page", 1)), int(query.get("limit", 20))
    if limit > 100:
        raise call.misused("a page has at most 100 rows")
    begin = (page - 1) * limit
    more = begin + limit < len(rows)
    return Reply(
        {"data": rows[begin : begin + limit], "has_more": more, "limit": limit, "total": len(rows), "page": page}
    )
