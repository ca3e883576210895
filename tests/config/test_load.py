"""From arguments, environment and files to one configuration."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import ConfigInvalidError, load, read
from freehold.errors import FreeholdError

Write = Callable[..., Path]


def codes(argument: str | None, environ: dict[str, str], cwd: Path) -> list[str]:
    return [problem.code for problem in read(argument, environ, cwd).problems]


def test_the_handbooks_file_loads_word_for_word(write: Write, handbook: str, tmp_path: Path) -> None:
    """Path, shape and tokens arrive under their proper names; the id is the file's stem."""
    write(handbook, "config.yaml")
    config = load(None, {}, tmp_path)
    (model,) = config.models
    assert (model.id, model.source) == ("custom-model", "/models/custom-model.onnx")
    assert (model.input_shape, model.context_length) == ((1, 32, 1024), 4096)


def test_the_whole_example_loads(write: Write, whole: str, tmp_path: Path) -> None:
    """Every section arrives."""
    write(whole)
    config = load(None, {}, tmp_path)
    assert [model.id for model in config.models] == ["bge-m3", "bge-reranker-v2-m3", "qwen3-32b", "fallback"]
    qwen = config.models[2]
    assert (qwen.engine, qwen.device, qwen.context_length, qwen.max_output_tokens) == ("vllm", "cuda", 32768, 8192)
    assert config.models[3].key == "${env:CORP_KEY}"
    assert config.routes[0].to[0].id == "qwen3-32b"
    assert config.deploy is not None
    assert config.deploy.pull_secrets == ("harbor",)
    assert config.dify is not None
    assert config.dify.url == "https://dify.corp.local"


def test_an_argument_goes_before_everything(write: Write, handbook: str, tmp_path: Path) -> None:
    """A model named on the command line stands alone: no MODEL_PATH, no file."""
    write(handbook)
    config = load("other.onnx", {"MODEL_PATH": "/m/third.onnx"}, tmp_path)
    assert [model.source for model in config.models] == [str(tmp_path / "other.onnx")]
    assert config.models[0].context_length is None


def test_model_path_goes_before_files(tmp_path: Path) -> None:
    """MODEL_PATH alone is a configuration."""
    (model,) = load(None, {"MODEL_PATH": "sub/custom-model.onnx"}, tmp_path).models
    assert (model.id, model.source) == ("custom-model", str(tmp_path / "sub/custom-model.onnx"))


def test_model_path_replaces_the_path_and_keeps_the_rest(write: Write, handbook: str, tmp_path: Path) -> None:
    """The other fields of the file's one model stay, and the id follows the new path."""
    write(handbook, "config.yaml")
    (model,) = load(None, {"MODEL_PATH": "/app/models/better"}, tmp_path).models
    assert (model.id, model.source, model.input_shape) == ("better", "/app/models/better", (1, 32, 1024))


def test_model_path_counts_for_a_file_named_on_the_command_line(write: Write, handbook: str, tmp_path: Path) -> None:
    """The argument chooses the file, MODEL_PATH the model in it, relative to the working folder."""
    path = write(handbook, "etc/mine.yaml")
    (model,) = load(str(path), {"MODEL_PATH": "better.onnx"}, tmp_path).models
    assert (model.source, model.context_length) == (str(tmp_path / "better.onnx"), 4096)


def test_an_empty_model_path_is_none(write: Write, handbook: str, tmp_path: Path) -> None:
    """Compose files pass variables that are not set as empty ones."""
    write(handbook)
    assert load(None, {"MODEL_PATH": "", "MODEL_ID": ""}, tmp_path).models[0].id == "custom-model"


@pytest.mark.parametrize("variable", ["MODEL_PATH", "MODEL_ID"])
def test_a_variable_for_one_model_beside_a_list_names_both(
    variable: str, write: Write, whole: str, tmp_path: Path
) -> None:
    """Nobody can say which model of the list was meant."""
    write(whole)
    with pytest.raises(FreeholdError) as caught:
        load(None, {variable: "custom"}, tmp_path)
    assert caught.value.code == "config_variable_beside_models"
    assert f"{variable}=custom" in str(caught.value)
    assert "freehold.yaml:1" in str(caught.value)


@pytest.mark.parametrize("argument", [None, "x.onnx", "mine.yaml"])
def test_model_id_names_the_one_model(argument: str | None, write: Write, tmp_path: Path) -> None:
    """MODEL_ID goes before the file's id and the path's stem."""
    write("model: {path: a.onnx, id: mine}\n", "mine.yaml")
    environ = {"MODEL_ID": "chosen", "MODEL_PATH": "" if argument else "y.onnx"}
    assert load(argument, environ, tmp_path).models[0].id == "chosen"


def test_a_wrong_variable_is_named_in_its_problem(tmp_path: Path) -> None:
    """The message says where the value came from."""
    with pytest.raises(FreeholdError, match=r"^MODEL_ID: .*a b.*config_id_invalid"):
        load("x.onnx", {"MODEL_ID": "a b"}, tmp_path)
    with pytest.raises(FreeholdError, match=r"^MODEL_PATH: s3://b/m"):
        load(None, {"MODEL_PATH": "s3://b/m"}, tmp_path)
    with pytest.raises(FreeholdError, match=r"^FREEHOLD_AUTH: .*`access.auth`"):
        load("x.onnx", {"FREEHOLD_AUTH": "off"}, tmp_path)


def test_freehold_auth_overrides_the_file(write: Write, tmp_path: Path) -> None:
    """The environment opens or closes the door."""
    write("model: {path: a.onnx}\naccess: {auth: keys}\n")
    assert load(None, {"FREEHOLD_AUTH": "none"}, tmp_path).access.auth == "none"


def test_freehold_yaml_goes_before_config_yaml(write: Write, handbook: str, tmp_path: Path) -> None:
    """Our own name wins."""
    write("model: {path: ours.onnx}\n")
    write(handbook, "config.yaml")
    assert load(None, {}, tmp_path).models[0].id == "ours"


@pytest.mark.parametrize("text", ["database: {url: x}\n", "- a\n", "", "{% if x %}\nbroken: [\n"])
def test_another_programs_config_yaml_is_left_alone(text: str, write: Write, tmp_path: Path) -> None:
    """A config.yaml without `model` or `models` at its top level is not ours, whatever it holds."""
    write(text, "config.yaml")
    with pytest.raises(FreeholdError, match="config_no_model"):
        load(None, {}, tmp_path)
    assert load(None, {"MODEL_PATH": "m.onnx"}, tmp_path).models[0].id == "m"


def test_our_own_broken_config_yaml_is_not_passed_over(write: Write, tmp_path: Path) -> None:
    """A file that begins like ours and cannot be read is an error, with its line."""
    write("model:\n  path: [a\n", "config.yaml")
    with pytest.raises(FreeholdError, match=r"^config.yaml:\d"):
        load(None, {}, tmp_path)


def test_nothing_to_serve_says_the_four_ways(tmp_path: Path) -> None:
    """No argument, no variable, no file."""
    with pytest.raises(FreeholdError) as caught:
        load(None, {}, tmp_path)
    assert caught.value.code == "config_no_model"
    assert "MODEL_PATH" in caught.value.fix


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A configuration that was asked for must be there."""
    with pytest.raises(FreeholdError, match=r"mine\.yaml"):
        load("mine.yaml", {}, tmp_path)


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_folder_is_a_model_whatever_its_name(suffix: str, tmp_path: Path) -> None:
    """A model folder may end like a configuration."""
    (tmp_path / f"m.{suffix}").mkdir()
    assert load(f"m.{suffix}", {}, tmp_path).models[0].id == f"m.{suffix}"


def test_json_is_a_configuration_too(write: Write, tmp_path: Path) -> None:
    """The same keys, in JSON."""
    write('{\n\t"model": {"path": "a.onnx", "max_tokens": 16}\n}', "c.json")
    assert load("c.json", {}, tmp_path).models[0].context_length == 16


@pytest.mark.parametrize(
    ("argument", "name"),
    [("bge-m3:1", "bge-m3"), ("hf://BAAI/bge-small-zh-v1.5", "bge-small-zh-v1.5"), ("oci://h/team/m:2", "m")],
)
def test_an_argument_may_be_any_source(argument: str, name: str, tmp_path: Path) -> None:
    """The id is the last part of the source's name."""
    (model,) = load(argument, {}, tmp_path).models
    assert (model.id, model.source) == (name, argument)


def test_an_upstream_needs_an_id(tmp_path: Path) -> None:
    """No name can be taken from a host; MODEL_ID gives one."""
    assert codes("https://llm.corp.local/v1", {}, tmp_path) == ["config_id_needed"]
    assert load("https://llm.corp.local/v1", {"MODEL_ID": "chat"}, tmp_path).models[0].id == "chat"


def test_all_problems_are_said_at_once(write: Write, tmp_path: Path) -> None:
    """One run shows every mistake, in both languages, each with its fix."""
    write("models:\n  - {source: a.onnx, devise: cpu}\nlimits: {queue: -1}\nlimits: {}\n")
    with pytest.raises(ConfigInvalidError) as caught:
        load(None, {}, tmp_path)
    assert [problem.code for problem in caught.value.problems] == [
        "config_key_twice",
        "config_key_misspelled",
        "config_value_invalid",
    ]
    assert "Did you mean `device`?" in caught.value.cause
    assert "是否想写 `device`" in caught.value.in_language("zh")[0]


def test_a_problem_of_the_shared_limits_is_said_once(write: Write, tmp_path: Path) -> None:
    """Top-level limits become every model's, their mistakes do not."""
    write("models: [{source: a.onnx}, {source: b.onnx}]\nlimits: {queue: -1}\n")
    assert codes(None, {}, tmp_path) == ["config_value_invalid"]


@pytest.mark.parametrize("text", ["- a\n", "model\n", "5\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, write: Write, tmp_path: Path) -> None:
    """The top level has keys."""
    write(text)
    assert codes(None, {"FREEHOLD_AUTH": "none", "MODEL_PATH": "x"}, tmp_path) == ["config_not_mapping"]


def test_the_reading_names_its_origin(write: Write, handbook: str, tmp_path: Path) -> None:
    """A file in the working folder by its name, another by its path."""
    path = write(handbook, "etc/mine.yaml")
    assert read("etc/mine.yaml", {}, tmp_path).origin == "etc/mine.yaml"
    assert read(str(path), {}, tmp_path / "elsewhere").origin == str(path)
    assert read("m.onnx", {}, tmp_path).origin == "m.onnx"
    assert read(None, {"MODEL_PATH": "m.onnx"}, tmp_path).origin == "MODEL_PATH"


@pytest.mark.parametrize("argument", ["x" * 300 + ".yaml", "a\0b.yaml", "~no-such-user/m.yaml", "~no-such-user/m.onnx"])
def test_no_argument_ends_in_a_traceback(argument: str, tmp_path: Path) -> None:
    """Names that no file can have are a FreeholdError, or found missing later."""
    with contextlib.suppress(FreeholdError):
        assert load(argument, {}, tmp_path).models[0].source.endswith("~no-such-user/m.onnx")
