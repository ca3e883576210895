"""The page beside compose.yaml: its commands do what `freehold deploy` does with secrets and folders."""

import os
import re
import stat
import subprocess
from pathlib import Path

from freehold.deploy.compose.readme import readme
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import SecretFile
from tests.deploy.compose.deployments import INTERNAL, deployment, gateway, state, unit
from tests.deploy.configured import deployed


def test_its_commands_make_folders_and_secrets(tmp_path: Path) -> None:
    """Run by a real shell, in a folder with a name that needs quotes."""
    data, pem = tmp_path / "it's data", tmp_path / "a key.pem"
    pem.write_bytes(b"PEM\n")
    secrets = (INTERNAL, ACCESS, SecretFile("corp", "${env:CORP_KEY}"), SecretFile("pem", f"${{file:{pem}}}"))
    wanted = deployment(
        unit("minilm", "1", mounts=(state("minilm", str(data)),)),
        front=gateway(secrets=secrets, mounts=(state("gateway", str(data)),)),
        data=str(data),
    )
    text = readme(wanted)
    steps = re.findall(r"```\n(.*?)```", text, re.DOTALL)[0]
    subprocess.run(["sh", "-euc", steps], cwd=tmp_path, env={**os.environ, "CORP_KEY": "s3cret $x"}, check=True)

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(tmp_path / "secrets") == mode(data) == 0o700
    assert mode(data / "minilm") == mode(data / "gateway") == 0o777
    assert mode(tmp_path / "secrets" / "corp") == 0o644
    assert (tmp_path / "secrets" / "corp").read_text() == "s3cret $x"
    assert (tmp_path / "secrets" / "pem").read_bytes() == b"PEM\n"
    assert len((tmp_path / "secrets" / "internal").read_text().strip()) == 64
    assert "`secrets/access`" in text


def test_a_key_is_told_of_where_there_is_one() -> None:
    """An open gateway has none."""
    assert "secrets/access" not in readme(deployment(unit("minilm", "1")))
    assert "keys create" not in readme(deployed("models: [{id: a, source: /a}]\naccess: {auth: none}\n"))
    assert "exec gateway freehold keys create" in readme(deployed("models: [{id: a, source: /a}]\n"))
