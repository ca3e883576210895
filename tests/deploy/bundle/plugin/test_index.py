"""The index of files, as pip reads it from a web server."""

import http.server
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from freehold.deploy.bundle.plugin.index import write_index
from freehold.deploy.bundle.plugin.wheels import opened

from .packages import write_wheel


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
        """Say nothing."""


def test_pip_installs_from_it_by_http(tmp_path: Path) -> None:
    """Any server of files will do; digests stand in the links; a second write adds."""
    index = tmp_path / "simple"
    top = opened(write_wheel(tmp_path / "wheels", "top_one", "1.0", "base"))
    assert write_index([top], index) == 1
    assert write_index([opened(write_wheel(tmp_path / "wheels", "base", "2.0"))], index) == 2
    assert f'top_one-1.0-py3-none-any.whl#sha256={top.digest}"' in (index / "top-one" / "index.html").read_text()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(index))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        pip += ["--index-url", f"http://127.0.0.1:{server.server_port}/", "--target", str(tmp_path / "site"), "top-one"]
        environment = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
        try:
            subprocess.run(pip, env=environment, check=True)
        finally:
            server.shutdown()
            thread.join()
    assert {"top_one.py", "base.py"} <= {path.name for path in (tmp_path / "site").iterdir()}


def test_the_same_wheels_give_the_same_pages(tmp_path: Path) -> None:
    """Written twice, nothing changes."""
    wheels = [opened(write_wheel(tmp_path / "wheels", name, "1.0")) for name in ("a", "b")]
    for folder in ("one", "two"):
        write_index(wheels if folder == "one" else reversed(wheels), tmp_path / folder)
    pages = [
        sorted((path.name, path.read_bytes()) for path in (tmp_path / f).rglob("*") if path.is_file())
        for f in ("one", "two")
    ]
    assert pages[0] == pages[1]
