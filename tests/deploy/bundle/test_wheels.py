"""Wheels that install Freehold without a network."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from freehold.deploy.bundle.wheels import LOCK, checked_wheel, fetch_wheels, own_wheel
from freehold.errors import FreeholdError

ROOT = Path(__file__).parents[3]


def installed(site: Path) -> Distribution:
    """Freehold as an installer lays it out: its files, RECORD, and what the installer makes itself."""
    info = site / "freehold-9.9.dist-info"
    texts = {
        "freehold/__init__.py": "version = '9.9'\n",
        "freehold/data/table.txt": "1\n",
        f"{info.name}/METADATA": "Metadata-Version: 2.1\nName: freehold\nVersion: 9.9\n",
        f"{info.name}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info.name}/entry_points.txt": "[console_scripts]\nfreehold = freehold:main\n",
    }
    record = ["../../bin/freehold,,", f"{info.name}/RECORD,,", f"{info.name}/INSTALLER,,"]
    for name, text in texts.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(text)}")
    record.append("freehold/__pycache__/__init__.cpython-311.pyc,,")
    (info / "RECORD").write_text("\n".join(record) + "\n")
    return Distribution.at(info)


def test_an_installation_becomes_the_wheel_that_it_came_from(tmp_path: Path) -> None:
    """pip installs it again; twice the same bytes."""
    site = tmp_path / "site"
    wheel = own_wheel(installed(site), tmp_path)
    assert wheel.name == "freehold-9.9-py3-none-any.whl"
    before = wheel.read_bytes()
    assert own_wheel(Distribution.at(site / "freehold-9.9.dist-info"), tmp_path).read_bytes() == before
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", tmp_path / "there"]
    subprocess.run([*pip, checked_wheel(wheel)], check=True, capture_output=True)
    assert (tmp_path / "there" / "freehold" / "data" / "table.txt").read_text() == "1\n"
    assert not list((tmp_path / "there").rglob("*.pyc,"))


def test_one_that_was_changed_or_runs_from_its_source_is_none(tmp_path: Path) -> None:
    """The error says which file, and that a wheel may be given."""
    distribution = installed(tmp_path / "site")
    (tmp_path / "site" / "freehold" / "data" / "table.txt").write_text("2\n")
    with pytest.raises(FreeholdError, match=r"table\.txt") as caught:
        own_wheel(distribution, tmp_path)
    assert caught.value.code == "bundle_wheel_wanted"
    editable = tmp_path / "editable" / "freehold-9.9.dist-info"
    editable.mkdir(parents=True)
    (editable / "RECORD").write_text("_freehold.pth,,\nfreehold-9.9.dist-info/RECORD,,\n")
    with pytest.raises(FreeholdError, match="source folder"):
        own_wheel(Distribution.at(editable), tmp_path)


def test_a_wheel_that_is_given_is_one_of_freehold(tmp_path: Path) -> None:
    """Nothing else is carried in its place."""
    (tmp_path / "letter.whl").write_text("letters")
    with zipfile.ZipFile(tmp_path / "other-1-py3-none-any.whl", "w") as other:
        other.writestr("other/__init__.py", "")
    for name in ("letter.whl", "other-1-py3-none-any.whl", "none.whl"):
        with pytest.raises(FreeholdError) as caught:
            checked_wheel(tmp_path / name)
        assert caught.value.code == "bundle_wheel_unfit"


def test_wheels_are_fetched_by_their_hashes(tmp_path: Path) -> None:
    """By pip and its settings; what an older lock left goes, and another hash is an error."""
    shelf, into = tmp_path / "shelf", tmp_path / "into"
    shelf.mkdir()
    into.mkdir()
    with zipfile.ZipFile(shelf / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256((shelf / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lock = tmp_path / "tiny.lock"
    environ = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}
    (into / "old-1-py3-none-any.whl").write_text("old")
    lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    fetch_wheels(lock, into, "all", environ)
    assert [path.name for path in into.iterdir()] == ["tiny-1.0-py3-none-any.whl"]
    lock.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(FreeholdError) as caught:
        fetch_wheels(lock, tmp_path / "again", "linux/amd64", environ)
    assert caught.value.code == "bundle_wheels_failed"


def test_the_lock_is_the_repository_s() -> None:
    """One file under two names; tests/test_wheel.py says that a wheel has it."""
    assert LOCK.resolve() == ROOT / "requirements" / "base.lock"
