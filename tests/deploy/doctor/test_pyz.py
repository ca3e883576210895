"""doctor.pyz: one file, the same bytes, for any Python from 3.8 on."""

import ast
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.deploy.doctor.known import MACHINES
from tools.doctor import contents, pack

OTHERS = ("python3.8", "python3.13")  # the oldest, and one that is newer than ours
TOO_OLD = ("python2.7", "python3.6", "python3.7")
PACKED = {Path(name).with_suffix("").as_posix().replace("/", ".") for name in contents() if name != "__main__.py"}

READ_ONLY = """
mount --make-rprivate / && mount -o bind,remount,ro / /
exec setpriv --reuid 10001 --regid 10001 --clear-groups env -i PATH=/usr/bin:/bin \
    /usr/bin/python3 -I "$1" --profile edge --json < /dev/null
"""
KEPT = tuple(Path.home().glob(".pyenv/versions/*/bin/python"))


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed file."""
    target = tmp_path_factory.mktemp("dist") / "doctor.pyz"
    pack(target, contents())
    return target


def interpreters(names: tuple[str, ...]) -> list[str]:
    """Those of these Pythons that are here: on the PATH, or kept by pyenv."""
    kept = {f"python{'.'.join(path.parents[1].name.split('.')[:2])}": str(path) for path in KEPT}
    found = [[path for path in (kept.get(name), shutil.which(name)) if path and works(path)] for name in names]
    return [paths[0] for paths in found if paths]


def works(python: str) -> bool:
    """Whether it starts: a shim of pyenv may stand for a version that is not chosen."""
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0


def run(python: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command line with nothing of this environment in it."""
    command = [python, "-I", *arguments] if "2.7" not in python else [python, *arguments]
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", sorted(contents()))
def test_what_is_packed_is_python_3_8(name: str) -> None:
    """The grammar of 3.8; annotations are never evaluated; the library alone is imported, and what is packed."""
    tree = ast.parse(contents()[name], name, feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            base = str(node.module)
            imported |= {
                base if f"{base}.{alias.name}" not in PACKED else f"{base}.{alias.name}" for alias in node.names
            }
    annotated = any(isinstance(node, ast.AnnAssign) or getattr(node, "returns", None) for node in ast.walk(tree))
    assert not annotated or "__future__" in imported
    ours = {module for module in imported if module.startswith("freehold")}
    assert ours <= PACKED
    assert {module.partition(".")[0] for module in imported - ours} <= sys.stdlib_module_names


def test_the_same_sources_make_the_same_bytes(pyz: Path, tmp_path: Path) -> None:
    """And a file that a shell can start."""
    pack(tmp_path / "again" / "doctor.pyz", contents())
    assert (tmp_path / "again" / "doctor.pyz").read_bytes() == pyz.read_bytes()
    assert pyz.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert pyz.stat().st_mode & 0o111 == 0o111
    with zipfile.ZipFile(pyz) as archive:
        assert archive.namelist() == sorted(contents())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("python", [sys.executable, *interpreters(OTHERS)])
def test_it_runs_by_itself(python: str, pyz: Path, tmp_path: Path) -> None:
    """In an empty environment, under every Python of this machine: it looks, it judges, and needs nothing of ours."""
    target = tmp_path / "machine.json"
    taken = run(python, "-W", "error", str(pyz), "--snapshot", str(target), "--folder", str(tmp_path))
    assert (taken.returncode, taken.stderr) == (0, "")
    document = json.loads(target.read_text())
    assert {"cpu", "memory", "disk", "os", "clock", "dns", "ports"} <= document["facts"].keys()
    judged = run(
        python, str(pyz), "--from", str(MACHINES["ubuntu-22.04-a100"]), "--json", "--lang", "zh", PYTHONUTF8="1"
    )
    assert (judged.returncode, judged.stderr) == (1, "")
    assert [row["id"] for row in json.loads(judged.stdout)["checks"] if row["status"] == "fail"] == ["ports"]
    assert run(python, str(pyz), "--profile", "huge").returncode == 2


def test_a_user_without_a_name_or_a_home_can_run_it(pyz: Path) -> None:
    """As a container's, on a root that cannot be written and without a terminal."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        shutil.copy(pyz, folder)
        command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", f"{folder}/doctor.pyz"]
        ran = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    data = json.loads(ran.stdout)
    assert ran.returncode == (0 if data["ok"] else 1)
    found = {row["id"]: row for row in data["checks"]}
    assert found["disk_speed"]["status"] == "skip"
    assert found["mirrors"]["status"] in {"ok", "warn"}


def test_a_terminal_without_chinese_gets_escapes(pyz: Path) -> None:
    """Never a traceback."""
    told = run(sys.executable, "-X", "utf8=0", str(pyz), "--from", str(MACHINES["centos-7"]), "--lang", "zh")
    assert (told.returncode, told.stderr) == (1, "")


@pytest.mark.parametrize("python", interpreters(TOO_OLD) or [""])
def test_a_python_that_is_too_old_says_so(python: str, pyz: Path) -> None:
    """In words that it can read; where none is here, the words are only looked at."""
    if not python:
        assert b"needs Python 3.8" in contents()["__main__.py"]
        return
    refused = run(python, str(pyz))
    assert refused.returncode == 1
    assert "doctor.pyz needs Python 3.8 or newer" in refused.stderr
