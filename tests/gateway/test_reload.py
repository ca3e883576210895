"""The configuration file, changed while a node runs."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from freehold.config import Config, load
from freehold.errors import FreeholdError
from freehold.gateway.reload import Reload, only_at_start
from freehold.telemetry import Telemetry

MODELS = 'models:\n  - {id: a, source: "http://127.0.0.1:9/v1"}\n  - {id: b, source: "http://127.0.0.1:10/v1"}\n'


class File:
    """A file, what was taken up of it, and the telemetry of that."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "freehold.yaml"
        self.write(MODELS)
        self.taken: list[Config] = []
        self.refusal: FreeholdError | None = None
        self.telemetry = Telemetry(process=False)
        self.begun = self.load()
        self.now = 100.0
        self.changed = asyncio.Event()
        self.reload = Reload(self.path, self.load, self.begun, self.take, self.telemetry, lambda: self.now)

    def load(self) -> Config:
        return load(str(self.path), {}, self.path.parent)

    def take(self, config: Config) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(config)
        self.changed.set()

    def write(self, text: str) -> None:
        """As a careful editor does."""
        aside = self.path.with_suffix(".new")
        aside.write_text(text)
        aside.replace(self.path)

    async def looked(self, times: int = 3) -> None:
        for _ in range(times):
            await self.reload.look()

    def routes(self) -> list[str]:
        """Of what was taken up last."""
        return [route.model for route in self.taken[-1].routes]


def changed(folder: Path, test: Callable[[File], Coroutine[Any, Any, None]]) -> File:
    file = File(folder)
    asyncio.run(test(file))
    return file


def test_a_changed_file_is_taken_up_once(tmp_path: Path) -> None:
    """And a file that stays as it is, never."""

    async def test(file: File) -> None:
        await file.looked()
        assert file.taken == []
        file.write(MODELS + "routes:\n  - {model: chat, to: [{id: a}]}\n")
        file.now = 200.0
        await file.looked(6)
        assert len(file.taken) == 1
        assert file.routes() == ["chat"]
        assert file.telemetry.config_loaded.of().value == 200.0

    changed(tmp_path, test)


def test_the_digest_tells_which_file_is_in_force(tmp_path: Path) -> None:
    """Who wrote a file waits for its sha256: a broken file, and one that is gone, never tell theirs."""

    async def test(file: File) -> None:
        begun = file.reload.digest
        assert begun == hashlib.sha256(MODELS.encode()).hexdigest()
        file.write("models: [")
        await file.looked()
        file.path.unlink()
        await file.looked()
        assert file.reload.digest == begun
        after = MODELS + "routes:\n  - {model: chat, to: [{id: a}]}\n"
        file.write(after)
        await file.looked()
        assert file.reload.digest == hashlib.sha256(after.encode()).hexdigest()

    changed(tmp_path, test)


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    """It is read when it has stayed the same from one look to the next."""

    async def test(file: File) -> None:
        text = MODELS + "routes:\n"
        for number in range(5):
            text += f"  - {{model: r{number}, to: [{{id: a}}]}}\n"
            file.path.write_text(text)
            await file.looked(1)
        assert file.taken == []
        await file.looked(2)
        assert file.routes() == ["r0", "r1", "r2", "r3", "r4"]

    changed(tmp_path, test)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MODELS + "routes: [\n", "freehold.yaml:5"),
        (MODELS + "routes:\n  - {model: chat, to: [{id: absent}]}\n", "freehold.yaml:5"),
        (MODELS.replace("id: b", "di: b"), "freehold.yaml:3"),
        ("", "names no models"),
        (None, "freehold.yaml"),
    ],
)
def test_a_broken_file_changes_nothing_and_is_told_with_its_line(tmp_path: Path, text: str | None, words: str) -> None:
    """Not YAML, an unknown model, a misspelt key, empty, gone: the old one stays until the file is mended."""

    async def test(file: File) -> None:
        if text is None:
            file.path.unlink()
        else:
            file.write(text)
        await file.looked(5)
        assert file.taken == []
        assert file.reload.trouble is not None
        assert words in file.reload.trouble.cause
        assert file.telemetry.config_failures.of().value == 1
        assert file.telemetry.config_broken.of().value == 1
        file.write(MODELS + "routes:\n  - {model: chat, to: [{id: b}]}\n")
        await file.looked()
        assert file.reload.trouble is None
        assert file.routes() == ["chat"]
        assert file.telemetry.config_broken.of().value == 0

    changed(tmp_path, test)


def test_what_cannot_be_put_into_force_is_told_too(tmp_path: Path) -> None:
    """The file is fine and the node refuses it: the old one stays."""

    async def test(file: File) -> None:
        file.refusal = FreeholdError("gateway_not_in_front")
        file.write(MODELS + "routes:\n  - {model: chat, to: [{id: b}]}\n")
        await file.looked()
        assert file.reload.trouble == file.refusal

    changed(tmp_path, test)


def test_what_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    """The rest is in force; the note goes when the file says again what the node began with."""

    async def test(file: File) -> None:
        file.write(MODELS + "server: {port: 8081}\nroutes:\n  - {model: chat, to: [{id: a}]}\n")
        await file.looked()
        assert file.routes() == ["chat"]
        assert file.reload.note is not None
        assert "server" in file.reload.note.cause
        file.write(MODELS)
        await file.looked()
        assert file.reload.note is None

    changed(tmp_path, test)


def test_servers_that_are_started_here_wait_for_a_restart(tmp_path: Path) -> None:
    """Models of this process and of other servers do not; of limits, only those of the whole server."""
    (tmp_path / "m.onnx").write_bytes(b"")
    file = File(tmp_path)
    models = "  - {id: c, source: ./m.onnx, command: [x, '{port}']}\n  - {id: d, source: 'http://127.0.0.1:11/v1'}\n"
    file.write(MODELS + models + "  - {id: e, source: ./m.onnx}\nlimits: {models_mb: 7, concurrency: 3}\n")
    assert only_at_start(file.begun, file.load()) == ["limits.models_mb", "model c"]


def test_limits_of_keys_do_not_wait_for_a_restart(tmp_path: Path) -> None:
    """What else is said of access does, and is named."""
    file = File(tmp_path)
    file.write(MODELS + "access: {limits: {parallel: 3}, teams: {a: {parallel: 9}}, when_unreachable: refuse}\n")
    assert only_at_start(file.begun, file.load()) == []
    file.write(MODELS + "access: {audit: {keep_days: 7}, limits: {parallel: 3}}\n")
    assert only_at_start(file.begun, file.load()) == ["access.audit"]


def test_which_file_was_judged_is_known_by_its_time(tmp_path: Path) -> None:
    """Taken, refused, or as it was before somebody touched it: who waits for a verdict knows whether it is one."""

    async def test(file: File) -> None:
        assert file.reload.read == file.path.stat().st_mtime_ns
        file.refusal = FreeholdError("gateway_not_in_front")
        for text in ("models: [", MODELS):
            file.write(text)
            os.utime(file.path, ns=(7, len(text)))
            assert file.reload.read != len(text)
            await file.looked()
            assert (file.reload.read, file.reload.trouble is None) == (len(text), False)
        file.refusal = None
        os.utime(file.path, ns=(7, 8))  # what it lacked is there by now
        await file.looked()
        assert (file.reload.read, file.reload.trouble) == (8, None)

    changed(tmp_path, test)


def test_a_file_that_is_asked_for_is_read_again(tmp_path: Path) -> None:
    """Once, whether it changed or not."""

    async def test(file: File) -> None:
        file.reload.now()
        await file.looked()
        assert len(file.taken) == 1

    changed(tmp_path, test)


def test_a_running_node_follows_its_file(tmp_path: Path) -> None:
    """Nobody asks it to; links that are turned, as Kubernetes does with its files, are followed."""
    data = tmp_path / "data"
    data.mkdir()

    async def test(file: File) -> None:
        async with file.reload.life():
            (data / "new.yaml").write_text(MODELS + "routes:\n  - {model: linked, to: [{id: a}]}\n")
            link = tmp_path / "link"
            link.symlink_to(data / "new.yaml")
            link.replace(file.path)
            await asyncio.wait_for(file.changed.wait(), 10)
        assert file.routes() == ["linked"]

    changed(tmp_path, test)
