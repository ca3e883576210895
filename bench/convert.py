"""One conversion of MiniLM in a process of its own: `python -m bench.convert DOOR`, and what it came to as JSON."""

import json
import sys
import tempfile
from pathlib import Path

from bench.places import minilm_folder
from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import DOORS, convert
from freehold.adapt.detect import Format


def main(door: str) -> int:
    """Convert through `freehold.adapt.DOOR`, prove the result, throw it away; 0 when the proof holds."""
    DOORS[Format.HUGGING_FACE] = f"freehold.adapt.{door}"
    with tempfile.TemporaryDirectory() as work:
        made = convert(Conversion(minilm_folder(), "minilm", Path(work)), lambda _: None)
    gap = max(one.max_abs for one in made.parity)
    print(json.dumps({"proof": made.proof.status, "cases": made.proof.cases, "max_abs": gap}))
    return made.proof.status != "raw"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
