"""The program that makes the walls, run as `isolation` runs it; test_isolation.py shows what they keep in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.children import confine
from freehold.adapt.isolation import FOR_USERS, UNSHARE

WALLS = [[], list(UNSHARE), [*UNSHARE, *FOR_USERS]]


def confined(tmp_path: Path, words: list[str], line: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Python runs `line` behind the walls of `words`."""
    (tmp_path / "root").mkdir(exist_ok=True)
    (tmp_path / "out").mkdir(exist_ok=True)
    program = Path(sys.executable).resolve()
    plan: confine.Plan = {
        "command": [str(program), "-I", "-S", "-c", line],
        "namespaces": words,
        "root": str(tmp_path / "root"),
        "reads": [str(program.parents[1])],
        "writes": [str(tmp_path / "out")],
        "folder": str(tmp_path / "out"),
        "limits": {"RLIMIT_CORE": 0},
        "temporary_bytes": 1 << 20,
        **changes,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-I", "-S", confine.__file__, str(tmp_path / "plan.json")]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("words", WALLS)
def test_the_command_runs_in_its_folder_and_its_exit_code_is_told(tmp_path: Path, words: list[str]) -> None:
    """Behind no walls, those of root, and those of a user."""
    ran = confined(tmp_path, words, "import sys; open('made', 'w').write('x'); sys.exit(7)")
    assert ran.returncode == 7, ran.stderr
    assert (tmp_path / "out" / "made").read_text() == "x"


@pytest.mark.parametrize("words", WALLS[1:])
def test_the_signal_that_ended_it_is_told(tmp_path: Path, words: list[str]) -> None:
    """As shells tell it; `unshare` alone would lose it, and a first process would not hear it."""
    assert confined(tmp_path, words, "import os; os.abort()").returncode == confine.BY_SIGNAL + 6


@pytest.mark.parametrize("words", WALLS[1:])
def test_nothing_of_its_tree_is_left_on_this_machine(tmp_path: Path, words: list[str]) -> None:
    """Mounts are in its namespace, and the folder for them stays empty."""
    assert confined(tmp_path, words, "open('/tmp/x', 'w').write('x')").returncode == 0
    assert list((tmp_path / "root").iterdir()) == []
    assert not Path("/tmp/x").exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_the_private_tmp_has_an_end(tmp_path: Path) -> None:
    """It is memory."""
    ran = confined(tmp_path, list(UNSHARE), "open('/tmp/x', 'wb').write(bytes(1 << 22))")
    assert "No space left" in ran.stderr


def test_limits_are_lowered_and_never_raised(tmp_path: Path) -> None:
    """A limit that this process has itself is not gone beyond."""
    line = (
        "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ran = confined(tmp_path, [], line, limits={"RLIMIT_NOFILE": 1 << 40, "RLIMIT_CORE": 0})
    assert ran.stdout.endswith("(0, 0)\n")
    assert ran.returncode == 0


def test_a_writable_folder_inside_of_a_source_is_writable_alone(tmp_path: Path) -> None:
    """Its neighbours are not."""
    lines = "open('made', 'w')\ntry:\n    open('../beside', 'w')\nexcept OSError as error:\n    print(error.errno)"
    ran = confined(
        tmp_path, list(UNSHARE), lines, reads=[str(tmp_path), str(Path(sys.executable).resolve().parents[1])]
    )
    assert ran.stdout == "30\n", ran.stderr


@pytest.mark.parametrize("name", ["a b", "模型", "a\\b", "a\tb", "a\u2028b"])
def test_folders_of_any_name_are_shown_read_only(tmp_path: Path, name: str) -> None:
    """The kernel lists mounts with blanks and backslashes escaped, and other characters as their bytes."""
    source = tmp_path / name
    source.mkdir()
    line = f"import os; print(os.statvfs({str(source)!r}).f_flag & os.ST_RDONLY)"
    reads = [str(source), str(Path(sys.executable).resolve().parents[1])]
    ran = confined(tmp_path, list(UNSHARE), line, reads=reads)
    assert ran.stdout == f"{int(os.ST_RDONLY)}\n", ran.stderr
