"""Whose wish each model of this process is, and where it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from freehold.cli.kept import Kept
from freehold.cli.residents import Residents
from freehold.config import Config, ModelConfig, Route, RouteTarget, load
from freehold.errors import FreeholdError
from freehold.server.models import Models, Override, Served
from freehold.store import Store


def unopened(*_: object) -> NoReturn:
    raise AssertionError("nothing is opened here")


def make(model: ModelConfig) -> Served:
    return Served(model.id, unopened, unopened)


@pytest.fixture
def graph(tmp_path: Path) -> str:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    return str(path)


def residents(tmp_path: Path, config: Config, now: Config | None = None) -> Residents:
    """Of a node that began with `config`; `now` is what the folder that it serves has by now."""
    store = Store(tmp_path / "store", tmp_path / "artifacts")
    return Residents(config, lambda: now or Config(), make, Kept(tmp_path / "loaded"), store)


def test_a_loaded_model_is_kept_once_it_answers_and_comes_back(tmp_path: Path, graph: str) -> None:
    """With what was stated of it; a later load may state more; unloaded, it is gone."""
    config = Config(models=(ModelConfig("own", graph),))
    here = residents(tmp_path, config)
    offer = here.offer("m", Override({"source": graph}))
    assert [(one.id, one.origin, one.vital) for one in offer.versions] == [("m", "runtime", False)]
    assert here.here(config) == ["own"]  # it may yet fail
    offer.keep()
    assert here.here(config) == ["own", "m"]
    here.offer("m", Override({"pin": True, "tenant": "us"})).keep()
    again = residents(tmp_path, config)
    (kept,) = [model for model in again.whole(config).models if model.id == "m"]
    assert (kept.source, kept.pin) == (graph, True)
    assert [(one.id, one.origin, one.tenant) for one in again.served()] == [("own", "file", ""), ("m", "runtime", "us")]
    again.forget("m")
    assert [one.id for one in residents(tmp_path, config).served()] == ["own"]


def test_a_model_of_the_file_follows_the_file(tmp_path: Path, graph: str) -> None:
    """It can be loaded again, not otherwise; a model elsewhere cannot be loaded at all."""
    config = Config(models=(ModelConfig("own", graph), ModelConfig("theirs", "https://host/v1")))
    here = residents(tmp_path, config)
    assert [one.origin for one in here.offer("own", Override()).versions] == ["file"]
    for model, override, code in (
        ("own", Override({"pin": True}), "model_follows_file"),
        ("own", Override(files={"1/model.onnx": b""}), "model_follows_file"),
        ("theirs", Override(), "model_elsewhere"),
        ("m", Override({"source": "https://host/v1"}), "model_elsewhere"),
        ("m", Override({"source": str(tmp_path / "absent.onnx")}), "model_path_missing"),
    ):
        with pytest.raises(FreeholdError) as caught:
            here.offer(model, override)
        assert caught.value.code == code, model


def test_a_name_in_both_is_refused_before_anything_is_changed(tmp_path: Path, graph: str) -> None:
    """At the start, and of a file that changed."""
    Kept(tmp_path / "loaded").put("m", {"source": graph})
    both = Config(models=(ModelConfig("m", graph),))
    for act in (lambda: residents(tmp_path, both), lambda: residents(tmp_path, Config()).check(both)):
        with pytest.raises(FreeholdError) as caught:
            act()
        assert caught.value.code == "model_in_both"
        assert "freehold unload m --kept" in caught.value.fix


def test_a_routes_name_is_no_models_to_load(tmp_path: Path, graph: str) -> None:
    """Requests for it would go on where the route leads: what was loaded would never be asked."""
    own, route = (ModelConfig("own", graph),), (Route("chat", (RouteTarget("own"),)),)
    here = residents(tmp_path, Config(models=own, routes=route))
    with pytest.raises(FreeholdError) as caught:
        here.offer("chat", Override({"source": graph}))
    assert caught.value.code == "model_follows_file"
    before = residents(tmp_path, Config(models=own))
    before.offer("chat", Override({"source": graph})).keep()
    with pytest.raises(FreeholdError) as caught:
        before.check(Config(models=own, routes=route))
    assert caught.value.code == "model_in_both"


def test_what_cannot_be_read_keeps_nothing_else_from_being_served(tmp_path: Path, graph: str) -> None:
    """It is told among the node's troubles."""
    Kept(tmp_path / "loaded").put("fine", {"source": graph})
    (tmp_path / "loaded" / "broken.json").write_text("{")
    here = residents(tmp_path, Config())
    assert [one.id for one in here.served()] == ["fine"]
    assert [trouble.code for trouble in here.troubles] == ["kept_unreadable"]


def test_files_make_versions(tmp_path: Path) -> None:
    """Those that its numbered folders hold; the next files replace them."""
    here = residents(tmp_path, Config())
    offer = here.offer("m", Override(files={"1/model.onnx": b"", "config.pbtxt": b"version_policy: { all { }}"}))
    assert [one.version for one in offer.versions] == ["1"]
    offer.keep()
    policy = b"version_policy: { all { }}"
    files = {"2/model.onnx": b"", "3/model.onnx": b"", "config.pbtxt": policy}
    assert [one.version for one in here.offer("m", Override(files=files)).versions] == ["2", "3"]


def test_files_of_what_was_not_loaded_do_not_stay(tmp_path: Path, graph: str) -> None:
    """Of a load that failed, of one that is refused, and of one that was cut short when the server ended."""
    here, files = residents(tmp_path, Config()), {"1/model.onnx": b""}
    here.offer("m", Override({"source": graph})).keep()
    here.offer("m", Override(files=files)).discard()
    here.offer("n", Override(files=files)).discard()
    for wrong in ({"command": "rm"}, {"device": "abacus"}):
        with pytest.raises(FreeholdError):
            here.offer("n", Override(wrong, files))
    here.offer("cut-short", Override(files=files))
    residents(tmp_path, Config())
    assert [path.name for path in (tmp_path / "loaded").iterdir()] == ["m.json"]


def test_limits_of_the_server_load_no_model_again(tmp_path: Path, graph: str) -> None:
    """They wait for a restart; those of the models do not."""
    file = tmp_path / "freehold.yaml"

    def config(limits: str) -> Config:
        file.write_text(f"limits: {{{limits}}}\nmodels:\n  - {{id: m, source: {graph}}}\n")
        return load(str(file), {}, tmp_path)

    followed: list[str] = []

    class Noting(Models):
        def follow(self, offers: Mapping[str, Sequence[Served]], gone: Iterable[str]) -> None:
            followed.extend(offers)

    here = residents(tmp_path, config("queue: 9"))
    here.follow(config("queue: 9, models_mb: 100, body_mb: 8"), Noting([]))
    assert followed == []
    here.follow(config("queue: 10"), Noting([]))
    assert followed == ["m"]


def test_a_folder_is_looked_at_again(tmp_path: Path, graph: str) -> None:
    """A model that has come to a repository can be loaded by its name, and counts from then on."""
    here = residents(tmp_path, Config(), Config(models=(ModelConfig("new", graph),)))
    offer = here.offer("new", Override())
    assert [(one.id, one.origin) for one in offer.versions] == [("new", "file")]
    offer.keep()
    assert here.here(Config()) == ["new"]
