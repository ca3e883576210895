"""What the sources of models mean, and what is said when they mean nothing here."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.origin import Origin
from freehold.cli.references import absent, local_store, located, models_folder, raw_model, reference, require_here
from freehold.config import Source, parse, read
from freehold.errors import FreeholdError
from freehold.store import Store


@pytest.fixture
def store(folder: Path, tiny_artifact: Path) -> Store:
    """The user's store, with one artifact."""
    store = local_store(os.environ)
    store.add(tiny_artifact, "tiny")
    return store


def test_a_path_and_a_reference_are_located(store: Store, mlp: Path) -> None:
    """A path as ever; a reference as a folder over the store's content."""
    assert located(Source("path", str(mlp)), store) == mlp
    stored = store.find(parse("tiny:1"))
    path = located(parse("tiny:1"), store)
    assert path == store.path_of(stored) == located(parse(f"tiny@{stored.digest}"), store)
    require_here(parse("tiny:1"), store)
    require_here(Source("path", str(mlp)), store)


def test_a_missing_path_that_reads_like_a_name_of_the_store(store: Store, folder: Path) -> None:
    """The error names the reference; one that is no such name is what it was, and so is another scheme."""
    with pytest.raises(FreeholdError, match="model_in_store") as told:
        located(Source("path", str(folder / "tiny")), store)
    assert "tiny:1" in told.value.fix
    for source, code in (("./absent", "model_path_missing"), ("hf://org/tiny", "source_not_local")):
        with pytest.raises(FreeholdError, match=code):
            located(parse(source), store)
    with pytest.raises(FreeholdError, match="store_tag_unknown"):
        require_here(parse("tiny:9"), store)


def test_what_is_converted_is_a_path_or_was_fetched(store: Store, folder: Path) -> None:
    """An artifact of the store is one already."""
    assert raw_model(Source("path", str(folder)), store) == folder
    with pytest.raises(FreeholdError, match="source_not_local"):
        raw_model(parse("hf://org/m"), store)
    fetched = models_folder(store.root.parent) / "org" / "m"
    fetched.mkdir(parents=True)
    Origin("hf://org/m", "0" * 40).write(fetched)
    assert raw_model(parse("hf://org/m"), store) == fetched
    with pytest.raises(FreeholdError, match="convert_already") as told:
        raw_model(parse("tiny:1"), store)
    assert "freehold serve tiny:1" in told.value.fix
    with pytest.raises(FreeholdError, match="store_tag_unknown"):
        raw_model(parse("tiny:9"), store)


def test_words_become_references(store: Store) -> None:
    """With a tag, a digest or neither; a path is none."""
    assert reference("tiny") == Source("store", "tiny")
    assert reference("tiny:1") == Source("store", "tiny", "1")
    for text in ("./tiny", "a/b", "hf://a/b", "tiny/"):
        with pytest.raises(FreeholdError, match="store_ref_wanted"):
            reference(text)


def test_a_configuration_names_what_the_store_lacks(store: Store, folder: Path) -> None:
    """A problem; only a note where the configuration is meant for other machines."""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: 'tiny:1'}, {id: b, source: 'tiny:9'}]")
    problems, notes = absent(read(None, os.environ, folder), store)
    assert ([error.code for error in problems], notes) == (["store_tag_unknown"], [])
    text = "models: [{id: b, source: 'tiny:9'}]\ndeploy: {target: compose}\n"
    (folder / "freehold.yaml").write_text(text)
    problems, notes = absent(read(None, os.environ, folder), store)
    assert (problems, [note.code for note in notes]) == ([], ["note_model_not_here"])


def test_verbs_take_references(store: Store, freehold: Callable[..., Any]) -> None:
    """run, verify, check and config check; the id is the name."""
    ran = freehold("run", "tiny:1", "hello", "--json")
    assert (ran.code, ran.data["model"]) == (0, "tiny")
    digest = store.find(parse("tiny:1")).digest
    verified = freehold("verify", f"tiny@{digest}", "--json").data["models"][0]
    assert (verified["digest"], verified["source"]) == (digest, f"tiny@{digest}")
    checked = freehold("check", "tiny:1", "--json")
    assert checked.code == 0
    missing = freehold("check", "tiny:9", "--json").data["checks"]
    assert [row["id"] for row in missing if row["status"] == "fail"] == ["config"]
    refused = freehold("config", "check", "tiny:9", "--json").data["problems"]
    assert [problem["code"] for problem in refused] == ["store_tag_unknown"]


def test_serve_and_ps_take_a_reference(store: Store, serve: Callable[..., Any], freehold: Callable[..., Any]) -> None:
    """And the server has the artifact open: gc in another process leaves its folder."""
    server = serve("tiny:1")
    assert server.banner["models"][0]["id"] == "tiny"
    status, answer = server.ask("POST", "/v1/embeddings", {"model": "tiny", "input": "hello"})
    assert (status, len(answer["data"])) == (200, 1)
    url, digest = server.banner["url"], store.find(parse("tiny:1")).digest
    for ref in ("tiny", "tiny:1", f"tiny@{digest}"):
        assert [row["digest"] for row in freehold("ps", ref, "--url", url, "--json").data["models"]] == [digest]
    for ref, code in (("other", "model_not_found"), ("tiny:9", "store_tag_unknown")):
        assert freehold("ps", ref, "--url", url, "--json").error["code"] == code
    store.remove(parse("tiny:1"))
    assert len(store.collect().in_use) == 1
    status, _ = server.ask("POST", "/v1/embeddings", {"model": "tiny", "input": "again"})
    assert status == 200
    assert server.leave() == 0
    assert len(store.collect().folders) == 1
