"""The commands by which a person writes secrets."""

import subprocess
from pathlib import Path

import pytest

from freehold.deploy.services.secret_commands import command_for
from freehold.deploy.services.units import SecretFile


def test_a_command_prints_the_secret(tmp_path: Path) -> None:
    """Of a variable or a file, whatever is in it; run by a real shell."""
    key = tmp_path / "it's a key"
    key.write_text("of a file\n")
    for origin, printed in ((f"${{file:{key}}}", "of a file\n"), ("${env:CORP_KEY}", "a $b 'c'")):
        command = command_for(SecretFile("x", origin))
        assert "$b" not in command
        done = subprocess.run(
            ["sh", "-c", command],
            env={"CORP_KEY": "a $b 'c'", "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
        assert done.stdout.decode() == printed


@pytest.mark.parametrize("name", ["internal", "access"])
def test_what_nobody_has_is_made(name: str) -> None:
    """Anew each time."""
    command = ["sh", "-c", command_for(SecretFile(name))]
    made = [subprocess.run(command, check=True, capture_output=True).stdout for _ in "ab"]
    assert made[0] != made[1]
    assert [len(one) for one in made] == [64, 64]
