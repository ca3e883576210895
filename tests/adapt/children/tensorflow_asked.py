"""Asks the TensorFlow child for many conversions in one process, since TensorFlow takes seconds to start.

`python tensorflow_asked.py FOLDER` reads {name: job} from standard input and prints {name: result or code and details}.
Nothing isolates it: what is refused here does not run for want of a chance, but because it was refused.
"""

import json
import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="tensorflow")

from freehold.adapt.children.report import ChildError, failure
from freehold.adapt.children.tensorflow import work


def main(folder: Path) -> None:
    answers = {}
    for name, job in json.load(sys.stdin).items():
        writes = folder / name
        writes.mkdir()
        try:
            answers[name] = work({"trusted": False, **job, "writes": str(writes)})
        except ChildError as error:
            answers[name] = failure(error)
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
