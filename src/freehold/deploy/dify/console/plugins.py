"""Plugins: is one there, installing a package, and what to do with an installation that half failed.

The daemon builds an environment for each plugin, which may take minutes; a task tells how far it is. Taking a plugin
out deletes every credential of its provider in Dify, so that is done only with what this very installation left behind,
or where it is asked for and the provider has no models.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import NoReturn

import msgspec

from freehold.deploy.dify.console.calls import PLUGIN, Calls
from freehold.deploy.dify.console.models import Models
from freehold.deploy.dify.console.setting_up import Say
from freehold.deploy.dify.console.wire import Request, Upload
from freehold.errors import FreeholdError

UPLOAD_S = 300.0
"""Silence while the daemon unpacks and checks a package."""

_ROOT = "/workspaces/current/plugin"
_PAGE = 100
_SUCCESS, _FAILED, _UNDER_WAY = "success", "failed", "under way"
_RUNNING = frozenset({"pending", "running"})
_RESTARTING = frozenset({502, 503, 504})
_TOO_LARGE = re.compile(r"exceeds the maximum|too large", re.I)
_SIGNATURE = re.compile(r"bad signature|signature verification|lacks official signature", re.I)
_PASSING = re.compile(r"no activity for|signal: killed|timed? ?out|timeout|context canceled", re.I)


@dataclass(frozen=True)
class Installed:
    """A plugin of this workspace. `identifier` is NAME:VERSION@CHECKSUM; `installation` is what uninstalling takes."""

    plugin: str
    version: str
    identifier: str
    installation: str


class Entry(msgspec.Struct, frozen=True):
    """One plugin in the workspace's list."""

    plugin_id: str
    plugin_unique_identifier: str
    installation_id: str
    version: str = ""


class Entries(msgspec.Struct, frozen=True):
    """The workspace's list, or a page of it."""

    plugins: tuple[Entry, ...]


class Uploaded(msgspec.Struct, frozen=True):
    """What a package that was accepted is called."""

    unique_identifier: str


class Started(msgspec.Struct, frozen=True):
    """An installation that was begun, unless all was there."""

    all_installed: bool
    task_id: str = ""


class TaskPlugin(msgspec.Struct, frozen=True):
    """How far one plugin of a task is."""

    plugin_unique_identifier: str
    status: str
    message: str = ""


class Task(msgspec.Struct, frozen=True):
    """An installation: `pending`, `running`, `success` or `failed`."""

    id: str
    status: str
    plugins: tuple[TaskPlugin, ...] = ()


class TaskReply(msgspec.Struct, frozen=True):
    """One task."""

    task: Task


class Tasks(msgspec.Struct, frozen=True):
    """The newest tasks."""

    tasks: tuple[Task, ...] | None


class Plugins:
    """The plugins of a workspace. Every method raises as `Calls.ask`."""

    def __init__(self, calls: Calls, say: Say) -> None:
        self._calls = calls
        self._say = say

    def installed(self, plugin: str = PLUGIN) -> Installed | None:
        """The plugin, if the workspace has it; whether it runs shows only when a model is called."""
        found = next((entry for entry in self._entries() if entry.plugin_id == plugin), None)
        if found is None:
            return None
        return Installed(plugin, found.version, found.plugin_unique_identifier, found.installation_id)

    def install(
        self, package: bytes, *, name: str = "plugin.difypkg", wait_s: float = 1800.0, attempts: int = 2
    ) -> Installed:
        """Upload a .difypkg and install it, with a line for every step; `wait_s` is for all attempts together.

        A plugin that is there is left as it is, in whatever version: replacing it would delete its credentials. Dify
        lists one too that is still being installed, which is waited for, and one whose installation failed, which is
        begun again. So is an attempt that died of its time: what was downloaded is kept. Raises
        `dify_console_plugin_large`, `dify_console_plugin_signature`, `dify_console_plugin_failed` and
        `dify_console_plugin_slow`.
        """
        identifier = self._upload(package, name)
        plugin = identifier.partition(":")[0]
        tasks = self._tasks(identifier)
        there, task = self.installed(plugin), tasks.get(_UNDER_WAY)
        if there is not None and not tasks:
            self._say(f"{there.identifier} is installed")
            return there
        if task is None and _FAILED in tasks:
            self._clear(tasks[_FAILED], plugin)
        left = self._calls.wire.until(wait_s)
        for attempt in range(1, attempts + 1):
            task = task or self._begin(identifier)
            failure = None if task is None else self._follow(task, identifier, left)
            if failure is None:
                break
            self._clear(task, plugin)
            if attempt == attempts or not _PASSING.search(failure):
                self._failed(identifier, failure)
            self._say(f"once more {identifier}: {failure}")
            task = None
        found = self.installed(plugin)
        if found is None:
            self._failed(identifier, "the task succeeded, but the workspace's list does not have it")
        self._say(f"{found.identifier} is installed")
        return found

    def reinstall(self, there: Installed, package: bytes, *, name: str = "plugin.difypkg") -> Installed:
        """Take out a plugin that is listed and does not run, and install it again.

        Raises `dify_console_plugin_kept` where the provider has models: their credentials would be deleted with it.
        """
        models = Models(self._calls, self._say).listed()
        if models:
            names = ", ".join(sorted({model.name for model in models}))
            raise FreeholdError("dify_console_plugin_kept", plugin=there.identifier, models=names)
        self._uninstall(there)
        return self.install(package, name=name)

    def _entries(self) -> Iterator[Entry]:
        """The workspace's list, page by page; an older Dify gives all of it on every page."""
        seen: set[str] = set()
        for number in count(1):
            query = {"page": number, "page_size": _PAGE}
            entries = self._calls.ask(Request("GET", f"{_ROOT}/list", query=query), Entries).plugins
            fresh = [entry for entry in entries if entry.installation_id not in seen]
            yield from fresh
            if len(entries) < _PAGE or not fresh:
                return
            seen.update(entry.installation_id for entry in fresh)

    def _upload(self, package: bytes, name: str) -> str:
        self._say(f"uploading {name}, {len(package) / 2**20:.1f} MiB")
        upload = Upload("pkg", name, package)
        answer = self._calls.send(Request("POST", f"{_ROOT}/upload/pkg", upload=upload, silence_s=UPLOAD_S))
        if answer.status == 413 or (not answer.ok and _TOO_LARGE.search(answer.words)):
            size = f"{len(package) / 2**20:.1f}"
            raise FreeholdError("dify_console_plugin_large", name=name, mebibytes=size, reason=answer.words)
        if not answer.ok and _SIGNATURE.search(answer.words):
            raise FreeholdError("dify_console_plugin_signature", name=name, reason=answer.words)
        if not answer.ok:
            raise answer.refusal()
        return answer.read(Uploaded).unique_identifier

    def _tasks(self, identifier: str) -> dict[str, str]:
        """Tasks that install it: one that is under way, one that failed; none where one succeeded."""
        query = {"page": 1, "page_size": _PAGE}
        tasks = self._calls.ask(Request("GET", f"{_ROOT}/tasks", query=query), Tasks).tasks or ()
        ours = [task for task in tasks if any(one.plugin_unique_identifier == identifier for one in task.plugins)]
        if any(task.status == _SUCCESS for task in ours):
            return {}
        return {_UNDER_WAY if task.status in _RUNNING else _FAILED: task.id for task in ours}

    def _begin(self, identifier: str) -> str | None:
        """A new task that installs it; None: nothing is left to do."""
        body = {"plugin_unique_identifiers": [identifier]}
        started = self._calls.ask(Request("POST", f"{_ROOT}/install/pkg", body), Started)
        return None if started.all_installed else started.task_id

    def _follow(self, task_id: str, identifier: str, left: Iterator[float]) -> str | None:
        """None when it is installed, else why not."""
        seen = "no answer"
        for left_s in left:
            task = self._look(task_id)
            if task is None:
                continue
            words = _of(task, identifier)
            if task.status == _SUCCESS:
                return None
            if task.status not in _RUNNING:
                return words or task.status
            if (told := f"{task.status}{': ' if words else ''}{words}") != seen:
                self._say(f"{identifier}: {told} ({left_s:.0f} s left)")
                seen = told
        raise FreeholdError("dify_console_plugin_slow", plugin=identifier, state=seen)

    def _look(self, task_id: str) -> Task | None:
        """How far it is; None for what passes, as an api that restarts while the daemon works on."""
        try:
            answer = self._calls.send(Request("GET", f"{_ROOT}/tasks/{task_id}"))
        except FreeholdError as error:
            if error.code != "dify_console_unreachable":
                raise
            return None
        if answer.status in _RESTARTING:
            return None
        if not answer.ok:
            raise answer.refusal()
        return answer.read(TaskReply).task

    def _clear(self, task_id: str | None, plugin: str) -> None:
        """Away with what a failed attempt left: its task, and the plugin that the list shows though it cannot run."""
        self._calls.send(Request("POST", f"{_ROOT}/tasks/{task_id}/delete"))
        half = self.installed(plugin)
        if half is not None and not Models(self._calls, self._say).listed():
            self._uninstall(half)

    def _uninstall(self, there: Installed) -> None:
        self._say(f"taking out {there.identifier}")
        self._calls.do(Request("POST", f"{_ROOT}/uninstall", {"plugin_installation_id": there.installation}))

    def _failed(self, identifier: str, reason: str) -> NoReturn:
        code = "dify_console_plugin_signature" if _SIGNATURE.search(reason) else "dify_console_plugin_failed"
        raise FreeholdError(code, name=identifier, reason=reason)


def _of(task: Task, identifier: str) -> str:
    """What the task says of this plugin, in one line."""
    told = (one.message for one in task.plugins if one.plugin_unique_identifier == identifier)
    return " ".join(next(told, "").split())[-300:]
