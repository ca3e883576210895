"""Where a path source is, and what is said when it is not there."""

from pathlib import Path

import pytest

from freehold.config import Source, locate, parse
from freehold.config.locate import MOUNTS, found
from freehold.errors import FreeholdError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def refusal(path: object, mounts: tuple[str, ...] = MOUNTS) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        locate(parse(str(path)), mounts)
    return caught.value


@pytest.mark.parametrize("there", ["m", "m.onnx", "m/model.onnx"])
def test_a_path_without_suffix_finds_each_form(there: str, tmp_path: Path) -> None:
    """X, X.onnx and X/model.onnx are tried."""
    touch(tmp_path / there)
    assert locate(Source("path", str(tmp_path / "m"))) == tmp_path / there


def test_a_dot_in_a_name_is_no_suffix(tmp_path: Path) -> None:
    """`bge-small-zh-v1.5` finds `bge-small-zh-v1.5.onnx`."""
    touch(tmp_path / "bge-small-zh-v1.5.onnx")
    assert locate(Source("path", str(tmp_path / "bge-small-zh-v1.5"))).name == "bge-small-zh-v1.5.onnx"


@pytest.mark.parametrize("describing", ["manifest.json", "config.json"])
def test_a_folder_that_describes_itself_is_the_model(describing: str, tmp_path: Path) -> None:
    """An artifact or a Hugging Face folder is more than its graph."""
    touch(tmp_path / "m/model.onnx", tmp_path / "m" / describing)
    assert locate(Source("path", str(tmp_path / "m"))) == tmp_path / "m"


def test_a_missing_model_names_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    """Every path that was tried, and the deepest folder that exists with its contents."""
    touch(tmp_path / "models/other.onnx", tmp_path / "models/.hidden")
    error = refusal(tmp_path / "models/deep/custom")
    assert error.code == "model_path_missing"
    for tried in ("deep/custom,", "deep/custom.onnx", "deep/custom/model.onnx"):
        assert f"{tmp_path}/models/{tried}" in error.cause
    assert error.fix.endswith(f"is {tmp_path}/models, which holds: other.onnx")


def test_a_suffix_is_tried_alone(tmp_path: Path) -> None:
    """X.onnx is looked for as it is written, and an empty folder is shown as such."""
    error = refusal(tmp_path / "custom.onnx")
    assert error.details["tried"] == f"{tmp_path}/custom.onnx"
    assert error.details["entries"] == "-"


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_missing_model_under_a_mount_says_both_sides(mount: str) -> None:
    """The path inside the container, the folder on the host, and the option that joins them."""
    error = refusal(f"{mount}/nobody/has/this")
    assert error.code == "model_path_unmounted"
    assert f"`-v ./models:{mount}`" in error.fix
    assert "./models/nobody/has/this on the host is" in error.fix
    assert f"{mount}/nobody/has/this inside" in error.fix


def test_a_mount_that_leads_into_another_is_said_as_that_one(tmp_path: Path) -> None:
    """In our image /app/models is a link to data/models, and the handbook mounts ./data at /app/data."""
    models, data = tmp_path / "app/models", tmp_path / "app/data"
    data.mkdir(parents=True)
    models.symlink_to("data/models")
    error = refusal(f"{models}/custom-model", (str(models), str(data)))
    assert f"`-v ./data:{data}`" in error.fix
    assert f"./data/models/custom-model on the host is {models}/custom-model inside" in error.fix


def test_a_model_under_the_other_mount_is_pointed_at(tmp_path: Path) -> None:
    """The handbook mounts ./data at /app/data and sets MODEL_PATH to /app/models: the message says where it lies."""
    models, data = str(tmp_path / "app/models"), str(tmp_path / "app/data")
    touch(Path(data) / "custom-model.onnx")
    error = refusal(f"{models}/custom-model", (models, data))
    assert error.code == "model_path_elsewhere"
    assert f"{data}/custom-model.onnx" in error.fix


@pytest.mark.parametrize("suffix", ["pt", "gguf", "h5", "engine"])
def test_another_format_gets_the_way_out(suffix: str, tmp_path: Path) -> None:
    """A file that must be converted first says how."""
    touch(tmp_path / f"original_model.{suffix}")
    error = refusal(tmp_path / f"original_model.{suffix}")
    assert error.code == "model_path_format"
    assert "--name original_model" in error.fix


def test_a_weights_file_points_to_its_folder(tmp_path: Path) -> None:
    """The folder is the model."""
    touch(tmp_path / "m/model.safetensors")
    assert str(refusal(tmp_path / "m/model.safetensors").fix).endswith(f"{tmp_path}/m")


def test_a_configuration_is_no_model(tmp_path: Path) -> None:
    """MODEL_PATH is no place for one."""
    touch(tmp_path / "c.yaml")
    assert refusal(tmp_path / "c.yaml").code == "model_path_is_config"


@pytest.mark.parametrize("source", ["bge-m3:1", "hf://BAAI/bge-m3", "oci://h/m:1"])
def test_only_paths_are_on_this_machine(source: str) -> None:
    """Serving never downloads: the fetch line is named."""
    error = refusal(source)
    assert error.code == "source_not_local"
    assert f"freehold fetch {source}" in error.fix


def test_an_upstream_is_not_fetched() -> None:
    """Another server is no model of this machine, and `fetch` would not make it one."""
    assert refusal("https://h/v1").code == "source_is_upstream"


def test_a_path_that_cannot_be_looked_at_is_an_error_of_ours(tmp_path: Path) -> None:
    """A name longer than the system takes ends in a message, not in a traceback."""
    error = refusal(tmp_path / ("m" * 300))
    assert error.code in {"model_path_unreadable", "model_path_missing"}


def test_the_root_is_a_folder_like_any_other() -> None:
    """It has no name that a suffix could be put to."""
    assert found(Source("path", "/")) == Path("/")


def test_whoever_reads_other_formats_finds_them_too(tmp_path: Path) -> None:
    """What `locate` calls another format is a model for the program that is started for it."""
    touch(tmp_path / "m.gguf")
    assert found(Source("path", str(tmp_path / "m.gguf"))) == tmp_path / "m.gguf"
    with pytest.raises(FreeholdError) as caught:
        found(Source("path", str(tmp_path / "n.gguf")))
    assert caught.value.code == "model_path_missing"


def test_a_model_of_a_triton_repository_is_its_newest_graph(tmp_path: Path) -> None:
    """So that a configuration may name it, with keys of its own."""
    for version in ("1", "2"):
        (tmp_path / "net" / version).mkdir(parents=True)
        (tmp_path / "net" / version / "model.onnx").touch()
    assert locate(Source("path", str(tmp_path / "net"))) == tmp_path / "net" / "2" / "model.onnx"
