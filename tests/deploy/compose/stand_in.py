"""A stand-in for `freehold` in a container: it needs no models, and what its configuration says, it does.

It runs below another Python than the tests', with nothing but the standard library.
"""

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WORD, FILE = sys.argv[1], Path(sys.argv[2])
TROUBLE = {"code": "golden_differs", "cause": "It computes something else.", "fix": "Convert it again."}


class Answers(BaseHTTPRequestHandler):
    """Tells what it was asked and what it reads."""

    def do_GET(self) -> None:
        """Ready unless the configuration says otherwise, now."""
        text = FILE.read_text()
        models = [{"id": "m", "state": "failed", "error": TROUBLE}] if "failing" in text else []
        told = {"models": models, "text": text, "key": self.headers.get("authorization")}
        body = json.dumps(told).encode()
        self.send_response(503 if models else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base class calls it so
        """On standard output, as a line."""
        sys.stdout.write(f"asked {self.path}\n")
        sys.stdout.flush()


def main() -> None:
    """Does one thing."""
    text = FILE.read_text()
    if WORD == "verify":
        interfaces = Path("/proc/net/dev").read_text().count(":")
        found = [{"id": "m", "error": TROUBLE if "broken" in text or interfaces > 1 else None}]
        sys.stderr.write("a line of the log\n")
        sys.stdout.write(json.dumps({"models": found}, indent=2))
        sys.exit("broken" in text or interfaces > 1)
    if "crash" in text:
        sys.exit("error: /models/x is not there.\n  fix: Write another source.\n  (source_not_found)")
    if "hog" in text:
        _ = bytearray(300 << 20)
        time.sleep(600)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Path("/app/data/written").write_text("state")
    ThreadingHTTPServer(("0.0.0.0", 8080), Answers).serve_forever()


main()
