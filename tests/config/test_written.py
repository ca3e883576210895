"""A configuration as text, and back."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Config, Limits, ModelConfig, Require, Route, RouteTarget, load
from freehold.config.written import written


def again(config: Config) -> Config:
    """What is read of what is written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "freehold.yaml"
        path.write_text(written(config), encoding="utf-8")
        return load(str(path), {}, Path(folder))


def test_what_has_its_default_is_left_out() -> None:
    """The order is that of the reference, the text ends with a line's end."""
    model = ModelConfig(id="bge-m3", source="/models/bge-m3", input_shape=(1, -1), kind="embed")
    route = Route(model="embed", to=(RouteTarget("bge-m3", 2),))
    assert written(Config(models=(model,), routes=(route,))) == (
        "models:\n"
        "  - id: bge-m3\n"
        "    source: /models/bge-m3\n"
        "    kind: embed\n"
        "    input_shape: [1, -1]\n"
        "routes:\n"
        "  - model: embed\n"
        "    to:\n"
        "      - id: bge-m3\n"
        "        weight: 2\n"
    )


def test_an_empty_configuration_is_an_empty_mapping() -> None:
    """A file without a value would be one, too, but says less."""
    assert written(Config()) == "{}\n"


def test_a_whole_configuration_comes_back(whole: str, write: Callable[[str], Path], tmp_path: Path) -> None:
    """The one of the design, with models, routes, access, network, deploy and dify."""
    config = load(str(write(whole)), {}, tmp_path)
    assert again(config) == config


def test_a_model_says_what_differs_from_the_top_level() -> None:
    """Also where that is the default: else the top level's would count for it."""
    models = (
        ModelConfig(id="a", source="/a", limits=Limits(concurrency=4)),
        ModelConfig(id="b", source="/b", limits=Limits(), require=Require(proof="always")),
    )
    config = Config(models=models, limits=Limits(concurrency=4))
    text = written(config)
    assert "    limits:\n      concurrency: null\n" in text
    assert text.count("concurrency: 4") == 1
    assert again(config) == config


@pytest.mark.parametrize(
    "text",
    ["no", "Off", "null", "1.22", "12:30", "0x1f", "1e3", "~", "a: b", "a #b", "- a", "[a]", "{port}", "'", '"', "\\"],
)
def test_a_text_stays_a_text(text: str) -> None:
    """What YAML, old or new, would take for something else is quoted."""
    config = Config(models=(ModelConfig(id="a", source="/a", command=(text, "{port}"), engine="openai"),))
    assert again(config).models[0].command == (text, "{port}")


_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(_words, max_size=4), st.dictionaries(_words, st.booleans() | st.integers(-9, 9) | _words, max_size=3))
def test_whatever_is_written_comes_back(words: list[str], kwargs: dict[str, bool | int | str]) -> None:
    """Any text, in lists, in mappings, as a key."""
    model = ModelConfig(
        id="a",
        source="/a",
        engine="openai",
        command=("x", "{port}", *words),
        chat_template_kwargs=kwargs,
    )
    config = Config(models=(model, msgspec.structs.replace(model, id="b")))
    assert again(config) == config
    assert written(config) == written(config)
