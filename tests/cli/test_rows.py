"""Where the rows of `freehold check` come from."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.cli.progress import Say
from freehold.cli.rows import (
    SOURCES,
    Row,
    Source,
    Surroundings,
    bf16,
    configuration,
    dify,
    memory,
    proofs,
    runtimes,
    state,
)
from freehold.config import read
from freehold.machine import read_memory
from tests.deploy.dify.checking.planted import KEY, planted


def around(text: str, folder: Path, **environ: str) -> Surroundings:
    (folder / "freehold.yaml").write_text(text)
    return Surroundings(read(None, {}, folder), {**os.environ, **environ}, "en")


def rows(source: Source, there: Surroundings) -> list[Row]:
    return list(source(there, print))


def test_another_source_is_a_function_in_a_table(folder: Path) -> None:
    """It takes the surroundings and yields rows; nothing else has to know it."""

    def weather(there: Surroundings, say: Say) -> Iterator[Row]:
        yield Row("weather", "warn", "rain", "sun", "It is nicer.", "Wait.")

    sources: tuple[Source, ...] = (*SOURCES, weather)
    assert rows(sources[-1], around("models: []", folder)) == [
        Row("weather", "warn", "rain", "sun", "It is nicer.", "Wait.")
    ]


def test_dify_is_asked_for_at_the_declared_address_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails there fails, a server that is not up warns, no address asks nothing; the key stands nowhere."""
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: known("127.0.0.1" if host == "m.test" else host, *rest, **more),
    )
    text = "models: [{{id: judge, source: 'http://u.test/v1', kind: rerank}}]\ndify: {{url: 'http://d.test'{}}}\n"
    said = ", models_url: 'http://m.test:{}/v1', models_key: '${{env:MODELS_KEY}}'"
    assert rows(dify, around(text.format(""), folder)) == []
    with planted("score_key", key=KEY) as server:
        there = text.format(said.format(server.url.split(":")[2].partition("/")[0]))
        found = rows(dify, around(there, folder, MODELS_KEY=KEY))
    assert [(row.id, row.status) for row in found if row.status != "warn"] == [
        ("dify", "ok"),
        ("dify:rerank_score_key", "fail"),
    ]
    assert KEY not in str(found)
    silent = rows(dify, around(there, folder, MODELS_KEY=KEY))
    assert [(row.id, row.status) for row in silent] == [("dify", "ok"), ("dify:reachable", "warn")]
    (unknown,) = rows(dify, around(there, folder, MODELS_KEY=""))
    assert (unknown.id, unknown.status) == ("dify", "fail")


def test_notes_of_the_configuration_are_warnings(mlp: Path, folder: Path) -> None:
    """What is ignored is worth knowing, and stops nothing."""
    text = f"models: [{{id: a, source: {mlp}}}]\naccess: {{auth: none}}\n"
    (note,) = rows(configuration, around(text, folder))
    assert (note.id, note.status) == ("config", "warn")
    (fine,) = rows(configuration, around(f"models: [{{id: a, source: {mlp}}}]", folder))
    assert (fine.status, fine.found) == ("ok", "freehold.yaml: a")


def test_runtimes_are_named(folder: Path) -> None:
    """Those that are installed, with their versions."""
    (row,) = rows(runtimes, around("models: []", folder))
    assert row.status == "ok"
    assert "onnxruntime " in row.found


def test_memory_is_held_against_the_models_sizes(folder: Path) -> None:
    """A model that no batch of this machine's memory can hold fails; a small one fits."""
    huge = folder / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(2 * read_memory().total)  # a hole: no byte of it is on the disk
    text = "models: [{id: a, source: huge.onnx}]"
    (row,) = rows(memory, around(text, folder))
    assert row.status == "fail"
    huge.write_bytes(b"small")
    (row,) = rows(memory, around(text, folder))
    assert row.status == "ok"
    assert row.needed == "300 MB"


def test_state_that_cannot_be_written_is_a_warning(folder: Path) -> None:
    """The server then works from memory; there is no disk to look at."""
    (folder / "file").touch()
    (row,) = rows(state, around("models: []", folder, FREEHOLD_HOME=str(folder / "file")))
    assert (row.id, row.status) == ("state", "warn")
    home, disk = rows(state, around("models: []", folder))
    assert (home.status, disk.status) == ("ok", "ok")
    assert not (folder / "home").exists()


def test_disk_needs_room_for_the_graphs_of_model_folders(tiny_bert_folder: Path, mlp: Path, folder: Path) -> None:
    """An .onnx file is used as it lies there; a folder is written twice."""
    there = around(f"models: [{{id: a, source: {mlp}}}]", folder)
    assert there.bytes_of_models() == (mlp.stat().st_size, 0)
    there = around(f"models: [{{id: a, source: {tiny_bert_folder}}}, {{id: b, source: gone}}]", folder)
    every, to_write = there.bytes_of_models()
    assert every == to_write >= (tiny_bert_folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("precision", ["fp32", "int8", "auto"])
def test_bf16_matters_to_who_asks_for_it(mlp: Path, folder: Path, precision: str) -> None:
    """What the processor has is told in any case."""
    (row,) = rows(bf16, around(f"models: [{{id: a, source: {mlp}, precision: {precision}}}]", folder))
    assert "bf16" in row.found
    assert row.needed == ("bf16, openvino" if precision == "auto" else "")
    assert row.status == "ok" or precision == "auto"


def test_every_model_that_is_here_is_verified(mlp: Path, folder: Path) -> None:
    """An absent file is the configuration's row; what is required comes from the model."""
    text = (
        f"models:\n  - {{id: a, source: {mlp}}}\n  - {{id: b, source: {mlp}, require: {{proof: always}}}}\n"
        "  - {id: c, source: gone.onnx}\n  - {id: d, source: hf://org/name}\n"
        "  - {id: e, source: 'https://llm.corp.example/v1'}\n"
    )
    there = around(text, folder)
    assert [(row.id, row.status) for row in rows(proofs, there)] == [
        ("verify:a", "warn"),
        ("verify:b", "fail"),
        ("verify:d", "fail"),
        ("verify:e", "warn"),
    ]
