"""Freehold: bring your own model, prove it, and serve it on your own machines."""

import os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime's wheels for Linux keep an id of the machine and upload events, unless this is set before
# they are imported (its pull request 27379). Nothing leaves a machine here; every process of ours passes this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
