"""Which Python converts the models of a framework, and how an environment is made, without a network."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from freehold.adapt.environments import FRAMEWORKS, UNFINISHED, Framework, create, framework, python_of
from freehold.errors import FreeholdError

TENSORFLOW = FRAMEWORKS["tensorflow"]


def said(_: str) -> None:
    """Heard by nobody."""


def wheel(folder: Path, name: str) -> str:
    """A wheel of one empty module; the line of a lock that pins it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        for file, text in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def fresh(place: Path) -> None:
    """What looks like an environment."""
    python_of(place).parent.mkdir(parents=True)
    python_of(place).symlink_to(sys.executable)


def test_the_lock_is_in_the_package() -> None:
    """Every version with hashes, no index and no path: mirrors and proxies work."""
    lock = TENSORFLOW.lock.decode()
    assert "tensorflow-cpu==" in lock
    assert "tf2onnx==" in lock
    assert "--index-url" not in lock
    pins = [line for line in lock.splitlines() if "==" in line]
    assert all(line.endswith("\\") for line in pins)


def test_a_named_python_comes_first(tmp_path: Path) -> None:
    """Before the one that was made; a name that is no program is an error, not passed over."""
    environ = {"FREEHOLD_HOME": str(tmp_path), TENSORFLOW.variable: sys.executable}
    fresh(TENSORFLOW.place(environ))
    assert TENSORFLOW.python(environ) == Path(sys.executable)
    with pytest.raises(FreeholdError) as caught:
        TENSORFLOW.python({**environ, TENSORFLOW.variable: str(tmp_path)})
    assert caught.value.code == "environment_python_missing"
    assert str(tmp_path) in caught.value.cause


def test_the_one_that_was_made_is_found(tmp_path: Path) -> None:
    """Under FREEHOLD_HOME, and only when its making came to an end."""
    environ = {"FREEHOLD_HOME": str(tmp_path)}
    place = TENSORFLOW.place(environ)
    fresh(place)
    assert TENSORFLOW.python(environ) == python_of(place)
    (place / UNFINISHED).touch()
    with pytest.raises(FreeholdError):
        TENSORFLOW.python(environ)


def test_one_beside_us_is_used(tmp_path: Path) -> None:
    """A framework that is installed where Freehold is needs no other Python."""
    assert Framework("numpy", "NOBODY_SETS_THIS").python({"FREEHOLD_HOME": str(tmp_path)}) is None


def test_none_is_an_error_with_the_lines_that_make_one(tmp_path: Path) -> None:
    """The verb, and the same by hand, with the place where it is looked for."""
    with pytest.raises(FreeholdError) as caught:
        TENSORFLOW.python({"FREEHOLD_HOME": str(tmp_path)})
    assert caught.value.code == "environment_missing"
    for line in ("freehold environments create tensorflow", f"python3 -m venv {tmp_path}", "--require-hashes"):
        assert line in caught.value.fix


def test_unknown_names_are_told_the_known_ones() -> None:
    """A typing mistake shows what there is."""
    with pytest.raises(FreeholdError) as caught:
        framework("tensorfow")
    assert caught.value.code == "environment_unknown"
    assert "tensorflow" in caught.value.fix


class Tiny(Framework):
    """A framework of one module, whose lock lies beside it."""

    pins = b""

    @property
    def lock(self) -> bytes:
        return self.pins


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, as it is carried into a closed network."""
    return tmp_path_factory.mktemp("wheels")


def test_an_environment_is_made_from_a_folder_of_files(wheels: Path, tmp_path: Path) -> None:
    """pip's own variables say where from, and what was left unfinished before is made anew."""
    tiny = Tiny("tinyframework", "NOBODY_SETS_THIS")
    Tiny.pins = wheel(wheels, "tinyframework").encode()
    environ = {
        "FREEHOLD_HOME": str(tmp_path / "state"),
        "PATH": "/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    fresh(tiny.place(environ))
    (tiny.place(environ) / UNFINISHED).touch()
    steps: list[str] = []
    python = create(tiny, environ, steps.append)
    assert tiny.python(environ) == python
    assert len(steps) == 2
    subprocess.run([python, "-c", "import tinyframework"], check=True)


def test_a_python_that_is_none(tmp_path: Path) -> None:
    """The Python to make it with may be named wrong."""
    with pytest.raises(FreeholdError) as caught:
        create(TENSORFLOW, {"FREEHOLD_HOME": str(tmp_path)}, said, tmp_path / "python9")
    assert caught.value.code == "environment_failed"
    assert "python9" in caught.value.cause
