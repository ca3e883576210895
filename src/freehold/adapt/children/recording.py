"""transformers in a process of its own, for a folder whose graph is written without torch: it only records.

The job: `folder`, `kind`, `output` (the name of the golden file to write). It runs in Freehold's own environment.
"""

from pathlib import Path
from typing import Any

import transformers

from freehold.adapt.children.report import run, step
from freehold.adapt.goldens.record import record
from freehold.artifact import save_golden

Job = dict[str, Any]


def work(job: Job) -> dict[str, Any]:
    """Record every text; what is too long for the model is left out."""
    step(job["writes"], "transformers answers what is recorded")
    golden = record(Path(job["folder"]), job["kind"])
    save_golden(Path(job["writes"]) / job["output"], golden)
    return {"framework": "transformers", "version": transformers.__version__}


if __name__ == "__main__":
    run(work)
