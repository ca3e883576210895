"""The raw network once more, in a process of its own, with the output of every module recorded.

The job: `loader` ("huggingface" with `path`, or "pytorch" with what `pytorch_source.load` reads), and `inputs`, an .npz
of the arrays `<sample>.<name>`, in the order of the network's arguments. It leaves `modules.npz` with
`<sample>.<module>.out` and `.in`, by the module's number, and in its result "samples": for each a list of {"name",
"kind", "calls", "given"}.
"""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch

from freehold.adapt.children.module_outputs import ModuleOutputs
from freehold.adapt.children.pytorch_source import load
from freehold.adapt.children.report import Array, ChildError, run, step

MODULES = "modules.npz"

Job = dict[str, Any]


def work(job: Job) -> dict[str, Any]:
    """Load, run each sample, record. Raises ChildError `trace_no_modules` for a network that hides what is in it."""
    step(job["writes"], "loading the raw model")
    model = from_folder(job) if job["loader"] == "huggingface" else from_file(job)
    model.train(False)
    samples = _samples(Path(job["inputs"]))
    arrays: dict[str, Array] = {}
    rows = []
    for number, sample in enumerate(samples):
        step(job["writes"], f"running the raw model: case {number + 1} of {len(samples)}")
        rows.append(_run(model, sample, number, arrays, by_name=job["loader"] == "huggingface"))
    if not any(rows):
        raise ChildError("trace_no_modules", kind=type(model).__name__)
    with (Path(job["writes"]) / MODULES).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # its stub takes a name of ours for its own option
    return {"framework": "torch", "version": torch.__version__, "samples": rows}


def from_folder(job: Job) -> torch.nn.Module:
    """The class that the folder's weights were saved with, in float32. Raises ChildError `trace_no_class`."""
    import transformers  # noqa: PLC0415 - seconds, which a plain torch network need not wait for

    options = {"local_files_only": True, "trust_remote_code": bool(job["trusted"])}
    config = transformers.AutoConfig.from_pretrained(job["path"], **options)
    name = next(iter(config.architectures or ()), "")
    known = getattr(transformers, name, None)
    if known is None and not job["trusted"]:
        raise ChildError("trace_no_class", path=job["path"], architecture=name or "-")
    loader = known or transformers.AutoModel
    model = loader.from_pretrained(job["path"], config=config, dtype=torch.float32, **options)
    model.config.use_cache = False
    network: torch.nn.Module = model
    return network


def from_file(job: Job) -> torch.nn.Module:
    """The network of a file, loaded as for its conversion; of an exported program, its modules as far as it kept them.

    Raises ChildError as `pytorch_source.load`, and `trace_no_modules` for a script.
    """
    model = load(job).model
    if isinstance(model, torch.export.ExportedProgram):
        return torch.export.unflatten(model)
    if isinstance(model, torch.jit.ScriptModule):
        raise ChildError("trace_no_modules", kind="TorchScript archive")
    network: torch.nn.Module = model
    return network


def _samples(path: Path) -> list[dict[str, torch.Tensor]]:
    samples: dict[str, dict[str, torch.Tensor]] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            number, _, name = key.partition(".")
            samples.setdefault(number, {})[name] = torch.from_numpy(file[key])
    return list(samples.values())


def _run(
    model: torch.nn.Module, sample: dict[str, torch.Tensor], number: int, arrays: dict[str, Array], *, by_name: bool
) -> list[dict[str, Any]]:
    """Run one sample, put its arrays into `arrays`, and say which module each belongs to."""
    taken = inspect.signature(model.forward).parameters
    with ModuleOutputs(model) as outputs, torch.inference_mode():
        if by_name:
            model(**{name: value for name, value in sample.items() if name in taken})
        else:
            model(*sample.values())
    rows = []
    for place, call in enumerate(outputs.calls):
        arrays[f"{number}.{place}.out"] = call.made.cpu().numpy()
        if call.given is not None:
            arrays[f"{number}.{place}.in"] = call.given.cpu().numpy()
        rows.append({"name": call.name, "kind": call.kind, "calls": call.calls, "given": call.given is not None})
    return rows


if __name__ == "__main__":
    run(work)
