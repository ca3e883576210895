"""dify/README.md beside the files: its commands, run by real programs, and what it tells."""

import base64
import json
import os
import subprocess
from pathlib import Path

from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.kubernetes.dify.notes import dify_readme
from tests.deploy.kubernetes.dify.cases import CASES, dify


def commands(case: str) -> list[str]:
    """What stands between the fences, by fence."""
    return dify_readme(CASES[case], dify(case)).split("```\n")[1::2]


def made_by(command: str, folder: Path, **environ: str) -> dict[str, dict[str, str]]:
    """By name the Secrets that a shell makes of it, without a cluster."""
    dry = command.replace("create secret generic", "create --dry-run=client --output=json secret generic")
    done = subprocess.run(
        ["bash", "-euc", dry],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=folder,
        env={**os.environ, **environ},
    )
    found, decoder, text = {}, json.JSONDecoder(), done.stdout.strip()
    while text:
        tree, end = decoder.raw_decode(text)
        found[tree["metadata"]["name"]] = {k: base64.b64decode(v).decode() for k, v in tree["data"].items()}
        text = text[end:].strip()
    return found


def test_one_command_makes_all_secrets(tmp_path: Path) -> None:
    """Each another one, long, of letters and digits; the first password as short as Dify wants it."""
    (values,) = made_by(commands("dify")[0], tmp_path).values()
    assert tuple(values) == tuple(sorted(dify("dify").secrets))
    assert len(set(values.values())) == len(values)
    assert all(value.isalnum() and len(value) == 30 for value in values.values())
    assert SECRETS in commands("dify")[0]


def test_each_of_the_users_own_has_its_line(tmp_path: Path) -> None:
    """A password without the end of its line, and percent-encoded for an address; a file as it is, a CA behind the
    system's."""
    (tmp_path / "redis key").write_text("a/b@c\n")
    for name in ("ca.pem", "system.pem"):
        (tmp_path / name).write_text(f"{name}\n")
    text = commands("dify-own")[1].replace("/etc/redis key", str(tmp_path / "redis key"))
    text = text.replace("/etc/ssl/certs/ca-certificates.crt", str(tmp_path / "system.pem"))
    for name in ("/etc/ssl/corp.pem", "/pki/plugins.pem"):
        text = text.replace(name, str(tmp_path / "ca.pem"))
    found = made_by(text, tmp_path, PG_PASSWORD="p1", S3_ACCESS="s1", S3_SECRET="s2")
    values = {name.removeprefix("freehold-dify-"): one["value"] for name, one in found.items()}
    assert values == {
        "db-password": "p1",
        "redis-password": "a/b@c",
        "redis-password-url": "a%2Fb%40c",
        "s3-access-key": "s1",
        "s3-secret-key": "s2",
        "ca": "system.pem\nca.pem\n",
        "plugin-key": "ca.pem\n",
    }


def test_it_tells_what_the_cluster_must_have() -> None:
    """Shared folders where nothing else was given, who is not restricted and why, how it is reached."""
    text = dify_readme(CASES["dify"], dify("dify"))
    assert "dify-app-storage is for several pods" in text
    assert "dify-sandbox (it gives each piece of code a root" in text
    assert "Dify-Hook-Url" in text
    own = dify_readme(CASES["dify-own"], dify("dify-own"))
    assert "ReadWriteMany" not in own
    alone = dify_readme(CASES["dify-qdrant"], dify("dify-qdrant"))
    assert "`/v1` dify-api:5001" in alone
    assert "set dify.ingress_host" in alone
