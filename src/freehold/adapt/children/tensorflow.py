"""Makes ONNX of a SavedModel or a Keras file, and records what TensorFlow answers. Runs in TensorFlow's environment.

The job: "source", "signature" (of a SavedModel; "" is its only one or "serving_default"), "shapes" (one an input, or
none) and their "names", "opset", "seed". Nothing that the source carries runs unless "trusted".
"""

import os
import sys
from typing import Any

from freehold.adapt.children.report import ChildError, run


def work(job: dict[str, Any]) -> dict[str, Any]:
    """The result of the conversion; raises ChildError where this Python lacks a part of the environment."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        from freehold.adapt.children.tensorflow_export import convert  # noqa: PLC0415 - what it lacks has to be told
    except ImportError as error:
        raise ChildError("tensorflow_incomplete", module=error.name, python=sys.executable) from error
    return convert(job)


if __name__ == "__main__":
    run(work)
