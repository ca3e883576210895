"""PyTorch files through real children: what is refused, what a planted payload can do, and a proof."""

import hashlib
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import Converted, convert
from freehold.adapt.from_pytorch import need_packages, write
from freehold.adapt.isolation import walls_here
from freehold.artifact.golden import load_golden
from freehold.errors import FreeholdError

CODE = Path(__file__).with_name("pytorch_models.py")


@dataclass(frozen=True)
class Payload:
    """Unpickling this runs a line of Python."""

    line: str

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.line,)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conversion:
    """A conversion of nothing yet."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    return Conversion(tmp_path / "model.pt", "model", work, ((1, 4),), ("",), ("",))


@dataclass(frozen=True)
class Listener:
    """Somebody who waits for a call on this machine."""

    listening: socket.socket

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def called(self) -> bool:
        """Whether a connection came."""
        try:
            self.listening.accept()[0].close()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Where a payload would call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        yield Listener(listening)


def attack(marker: Path, port: int) -> str:
    """Writes `marker` and calls home; what fails does so silently, as a thief would have it."""
    return (
        "def act(what):\n    try: what()\n    except OSError: pass\n"
        f"act(lambda: __import__('pathlib').Path({str(marker)!r}).touch())\n"
        f"act(lambda: __import__('socket').create_connection(('127.0.0.1', {port}), 2))\n"
        "print('the payload ran')"
    )


def program_with(path: Path, payload: str, models: ModuleType) -> Path:
    """A .pt2 archive that has its sample input unpickled, and a payload in it."""
    whole = path.with_suffix(".whole")
    torch.export.save(torch.export.export(models.Line(), (torch.randn(2, 4),)), whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if "sample_inputs" in name and name.endswith(".pt"):
                torch.save(((torch.randn(2, 4), Payload(payload)), {}), whole.with_suffix(".inputs"))
                content = whole.with_suffix(".inputs").read_bytes()
            new.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("form", ["pt", "pth", "pt2"])
def test_a_planted_payload_does_not_run_without_trust(
    asked: Conversion, torch_models: ModuleType, form: str, tmp_path: Path, listener: Listener
) -> None:
    """Not here, and not in a child; the refusal names safer formats."""
    marker = tmp_path / "marker"
    source = tmp_path / f"model.{form}"
    payload = attack(marker, listener.port)
    if form == "pt2":
        program_with(source, payload, torch_models)
    else:
        state = {**torch_models.Line().state_dict(), "extra": Payload(payload)}
        torch.save(state if form == "pth" else Payload(payload), source)
    with pytest.raises(FreeholdError, match="not_trusted") as raised:
        convert(replace(asked, source=source), print)
    assert "safetensors" in raised.value.fix
    assert not marker.exists()
    assert not listener.called()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("form", ["pth", "pt2"])
def test_with_trust_a_payload_runs_where_it_can_do_nothing(
    asked: Conversion, torch_models: ModuleType, form: str, tmp_path: Path, listener: Listener
) -> None:
    """It runs, as the log shows, in a child: no file appears, nobody is called, the source is as it was."""
    marker = tmp_path / "marker"
    source = tmp_path / f"model.{form}"
    payload = attack(marker, listener.port)
    if form == "pt2":
        program_with(source, payload, torch_models)
    else:
        torch.save({"epoch": Payload(payload)}, source)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    with pytest.raises(FreeholdError) as raised:
        convert(replace(asked, source=source, trust_code=True), print)
    assert "the payload ran" in Path(str(raised.value.details["log"])).read_text()
    assert not marker.exists()
    assert not listener.called()
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before


@pytest.fixture(scope="module")
def line(torch_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """A state dict with its class, converted once. Do not write there."""
    folder = tmp_path_factory.mktemp("line")
    (folder / "work").mkdir()
    torch.save(torch_models.Line().state_dict(), folder / "line.pth")
    shape = {"input_shapes": ((1, 4),), "input_names": ("",), "input_types": ("",)}
    wanted = Conversion(folder / "line.pth", "line", folder / "work", **shape, code=f"{CODE}:Line", trust_code=True)
    return convert(wanted, print)


def test_a_state_dict_with_its_class_is_converted_and_proven(line: Converted) -> None:
    """The goldens are PyTorch's, the graph is ours, and they agree."""
    assert line.proof.status == "raw"
    assert line.proof.recorded_by.startswith("torch ")
    assert max(row.max_abs for row in line.parity) <= 1e-5
    assert {row.label for row in line.parity} == {"batch 1", "batch 2", "batch 3"}
    assert line.dimensions == {"x": ("batch", 4), "output": ("batch", 2)}


def test_the_manifest_says_how_it_was_made(line: Converted) -> None:
    """Versions, opset, exporter and the digest of the source, which its goldens carry too."""
    manifest = line.artifact.manifest
    assert {"torch", "onnx", "onnxscript", "opset", "exporter", "format"} <= manifest.made_with.keys()
    assert [(one.role, one.name) for one in manifest.ancestors] == [("source", "line.pth")]
    golden = load_golden(line.artifact.goldens / "raw.json")
    assert golden.recorded_by.source == manifest.ancestors[0].digest == manifest.made_by.source


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_script_is_converted_without_trust(asked: Conversion, torch_models: ModuleType) -> None:
    """It is a program in a language without Python, and the child cannot leave its place."""
    torch.jit.script(torch_models.Line()).save(str(asked.source))
    made = convert(asked, print)
    assert made.proof.status == "raw"
    assert made.detected.format == "torchscript"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_namespaces_a_script_needs_trust(
    asked: Conversion, torch_models: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where nothing keeps it in, it is code like any other."""
    torch.jit.script(torch_models.Line()).save(str(asked.source))
    monkeypatch.setenv("PATH", str(tmp_path))
    walls_here.cache_clear()
    try:
        with pytest.raises(FreeholdError, match="script_not_trusted"):
            write(asked, tmp_path, print)
    finally:
        walls_here.cache_clear()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "embed"}, "convert_kind_unsuitable"),
        ({"code": "model.py"}, "code_form_invalid"),
        ({"code": "model.txt:Net"}, "code_form_invalid"),
        ({"code": "missing.py:Net", "trust_code": True}, "code_file_missing"),
        ({"code": f"{CODE}:Line"}, "code_needs_trust"),
    ],
)
def test_what_was_asked_wrongly_is_told_before_a_child_starts(
    asked: Conversion, torch_models: ModuleType, changes: dict[str, object], code: str, tmp_path: Path
) -> None:
    """A kind that does not suit, code that is not named well, not there or not trusted."""
    torch.save(torch_models.Line().state_dict(), asked.source)
    with pytest.raises(FreeholdError) as raised:
        write(replace(asked, **changes), tmp_path, print)
    assert raised.value.code == code


def test_a_missing_extra_is_named_with_its_install_line() -> None:
    """The base install has no torch."""
    with pytest.raises(FreeholdError, match="no_such_framework") as raised:
        need_packages(("torch", "no_such_framework"))
    assert "pip install 'freehold[convert]'" in raised.value.fix
