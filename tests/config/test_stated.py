"""Models as they are stated to a server that runs."""

from pathlib import Path

import pytest

from freehold.config import Config
from freehold.config.shapes import Limits, Require
from freehold.config.stated import stated_model
from freehold.errors import FreeholdError


def test_a_stated_model_is_what_a_file_would_make_of_it(tmp_path: Path) -> None:
    """Texts are read as in a file, paths are relative to the folder, and what holds for all models holds for it."""
    config = Config(limits=Limits(concurrency=3), require=Require(proof="always"))
    settings = {"source": "m.onnx", "pin": "true", "workers": "2", "limits": {"queue": 4}, "keep_alive": "10m"}
    model = stated_model("m", {**settings, "tenant": "2026"}, config, tmp_path)
    assert (model.id, model.source, model.pin, model.workers) == ("m", str(tmp_path / "m.onnx"), True, 2)
    assert (model.limits.concurrency, model.limits.queue, model.require.proof) == (3, 4, "always")
    assert (model.keep_alive_s, model.tenant) == (600, "2026")


def test_versions_need_no_source(tmp_path: Path) -> None:
    """The highest is the model, by number."""
    model = stated_model("m", {"versions": {"9": "m:9", "10": "m:10"}}, Config(), tmp_path)
    assert (model.source, list(model.sources)) == ("m:10", ["9", "10"])


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"source": "m", "command": ["sh"]}, "model_setting_refused"),
        ({"source": "m", "key": "${env:HOME}"}, "model_setting_refused"),
        ({"source": "m", "require": {"proof": "optional"}}, "model_setting_refused"),
        ({"source": "m", "pin": "maybe"}, "config_value_invalid"),
        ({"source": "m:1", "versions": {"1": "m:1", "2": "m:2"}}, "config_versions_source"),
        ({"versions": {"01": "m:1"}}, "config_version_number"),
        ({"versions": {"one": "m:1"}, "source": "m:1"}, "config_version_number"),
        ({"source": "https://host/v1", "versions": {"1": "https://host/v1"}}, "config_versions_elsewhere"),
    ],
)
def test_what_may_not_or_cannot_be_stated_is_refused(tmp_path: Path, settings: dict[str, object], code: str) -> None:
    """Nothing that starts a program or reads a secret, and nothing that a file would be refused for."""
    with pytest.raises(FreeholdError) as caught:
        stated_model("m", settings, Config(), tmp_path)
    assert caught.value.code == code
