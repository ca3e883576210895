"""Plugins: the list, packages, tasks of installing."""

import re
from email.parser import BytesParser
from typing import Any

from tests.dify_console.state import PROVIDER, new_id
from tests.dify_console.web import Call, RefusedError, Reply

BAD_SIGNATURE = (
    "PluginDaemonBadRequestError: plugin verification has been enabled, and the plugin you want to install has a bad"
    " signature"
)


def listed(call: Call) -> Reply:
    query = call.params("page page_size")
    size, page = int(query.get("page_size", 256)), int(query.get("page", 1))
    if size > 256:
        raise call.misused("a page has at most 256 plugins")
    return Reply({"plugins": call.dify.plugins[(page - 1) * size : page * size], "total": len(call.dify.plugins)})


def upload(call: Call) -> Reply:
    package = _part(call, "pkg")
    if len(package) > call.dify.largest_package:
        raise RefusedError(400, "invalid_param", "File size exceeds the maximum allowed size")
    if not call.dify.trusts_package:
        raise RefusedError(400, "invalid_param", BAD_SIGNATURE)
    call.dify.uploaded[call.dify.package] = package
    manifest = {"name": "openai_api_compatible", "author": "langgenius", "version": "0.0.63"}
    return Reply({"unique_identifier": call.dify.package, "manifest": manifest, "verification": None})


def install(call: Call) -> Reply:
    identifiers = call.body("plugin_unique_identifiers")["plugin_unique_identifiers"]
    unknown = [name for name in identifiers if name not in call.dify.uploaded]
    if unknown or not identifiers:
        raise call.misused(f"packages that were not uploaded: {unknown}")
    there = {plugin["plugin_unique_identifier"] for plugin in call.dify.plugins}
    if set(identifiers) <= there:
        return Reply({"all_installed": True, "task_id": ""})
    task = {"id": new_id(), "identifier": identifiers[0], "looks": 0}
    task["failure"] = call.dify.failures.pop(0) if call.dify.failures else None
    call.dify.tasks[str(task["id"])] = task
    return Reply({"all_installed": False, "task_id": task["id"]})


def tasks(call: Call) -> Reply:
    query = call.params("page page_size")
    if not {"page", "page_size"} <= set(query):
        raise call.misused("page and page_size are wanted")
    return Reply({"tasks": [_shown(call, one) for one in reversed(call.dify.tasks.values())]})


def task(call: Call) -> Reply:
    found = call.dify.tasks.get(call.words["task"])
    if found is None:
        raise RefusedError(400, "invalid_param", "task not found")
    found["looks"] += 1
    status = _status(call, found)
    there = any(plugin["plugin_unique_identifier"] == found["identifier"] for plugin in call.dify.plugins)
    if not there and (status == "success" or (status == "failed" and call.dify.half)):
        call.dify.with_plugin(found["identifier"])
    return Reply({"task": _shown(call, found)})


def delete_task(call: Call) -> Reply:
    return Reply({"success": call.dify.tasks.pop(call.words["task"], None) is not None})


def uninstall(call: Call) -> Reply:
    """As Dify does it: the credentials of the plugin's provider go with it."""
    installation = call.body("plugin_installation_id")["plugin_installation_id"]
    kept = [plugin for plugin in call.dify.plugins if plugin["installation_id"] != installation]
    if len(kept) == len(call.dify.plugins):
        raise call.misused("no such installation")
    call.dify.plugins = kept
    call.dify.models.clear()
    return Reply({"success": True})


def _status(call: Call, found: dict[str, Any]) -> str:
    if call.dify.pending < 0 or found["looks"] <= call.dify.pending:
        return "running"
    return "failed" if found["failure"] else "success"


def _shown(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    status = _status(call, found)
    message = found["failure"] if status == "failed" else f"Installed {found['looks']} of 40 packages"
    plugin = {
        "plugin_unique_identifier": found["identifier"],
        "plugin_id": PROVIDER.rpartition("/")[0],
        "status": status,
        "message": message,
        "icon": "",
        "labels": {"en_US": "OpenAI-API-compatible"},
    }
    return {"id": found["id"], "status": status, "total_plugins": 1, "completed_plugins": 0, "plugins": [plugin]}


def _part(call: Call, name: str) -> bytes:
    """One part of a multipart body."""
    kind = call.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise call.misused("no multipart body")
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + call.content)
    for part in message.get_payload():
        if not isinstance(part, str) and re.search(rf'name="{name}"', str(part.get("Content-Disposition"))):
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content
    raise call.misused(f"no part {name}")
