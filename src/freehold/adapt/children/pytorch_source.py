"""A PyTorch file becomes something that can be called: only what needs no trust, unless it was given."""

import importlib.util
import inspect
import pickle
import pickletools
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from freehold.adapt.children.report import ChildError

# Under which a training script keeps the weights beside its optimizer and its counters.
WEIGHT_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights", "module")
PARALLEL = "module."  # what DataParallel puts before every name
SHOWN = 5

Tensors = Mapping[str, torch.Tensor]
Job = dict[str, Any]


class Loaded(NamedTuple):
    """What can be exported, a module, a script or a program; the names of its inputs, and a sample if it has one.

    `call` takes tensors in the order of `parameters`; `notes` tell what was done to make it run.
    """

    model: Any
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    required: int
    sample: tuple[torch.Tensor, ...] = ()
    notes: tuple[str, ...] = ()


def load(job: Job) -> Loaded:
    """What `job["path"]` holds, by `job["format"]`: pickle, safetensors, script or program. Raises ChildError."""
    if job["format"] == "script":
        return _script(job)
    if job["format"] == "program":
        return _program(job)
    weights = load_file(job["path"]) if job["format"] == "safetensors" else _unpickled(job)
    if isinstance(weights, torch.nn.Module):
        return _module(weights)
    notes: list[str] = []
    state = state_of(weights, notes)
    if state is None:
        raise ChildError("not_a_model", path=job["path"], found=_kind_of(weights))
    if not job["code"]:
        keys = ", ".join(list(state)[:SHOWN])
        raise ChildError("state_dict_without_class", path=job["path"], count=len(state), keys=keys)
    module = _made(job["code"])
    _fill(module, state, job)
    return _module(module, tuple(notes))


def state_of(found: object, notes: list[str]) -> dict[str, torch.Tensor] | None:
    """The weights in what a file held: a state dict, or a checkpoint with one in it; None where there are none."""
    if not isinstance(found, Mapping):
        return None
    inner = next((key for key in WEIGHT_KEYS if isinstance(found.get(key), Mapping)), None)
    if inner is not None:
        notes.append(f"weights taken from {inner!r} of the checkpoint")
        return state_of(found[inner], notes)
    if not found or not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in found.items()):
        return None
    if all(key.startswith(PARALLEL) for key in found):
        notes.append("names without the `module.` of DataParallel")
        return {key.removeprefix(PARALLEL): value for key, value in found.items()}
    return dict(found)


def globals_of(path: str) -> list[str]:
    """The classes and functions that a pickle wants, beyond those that hold plain tensors. Nothing is run."""
    if zipfile.is_zipfile(path):
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    names, texts = set(), ["", ""]
    try:
        with Path(path).open("rb") as file:
            while file.peek(1):
                for operation, argument, _ in pickletools.genops(file):
                    if operation.name == "GLOBAL":
                        names.add(str(argument).replace(" ", "."))
                    elif operation.name == "STACK_GLOBAL":
                        names.add(".".join(texts[-2:]))
                    elif isinstance(argument, str):
                        texts.append(argument)
    except ValueError:
        pass  # behind its pickles, a file of the old format holds the bytes of the tensors
    return sorted(name for name in names if not name.startswith(("torch._utils._rebuild", "collections.OrderedDict")))


def _unpickled(job: Job) -> Any:
    """What the pickle holds; with trust also what needs its classes. Raises ChildError."""
    path = job["path"]
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not job["trusted"]:
            wanted = ", ".join(globals_of(path)[: 2 * SHOWN]) or str(error).split("\n", 1)[0]
            raise ChildError("pickle_not_trusted", path=path, wanted=wanted) from error
    except (EOFError, RuntimeError, ValueError) as error:
        raise ChildError("checkpoint_damaged", path=path, error=_line(error)) from error
    if job["code"]:
        file, _, _ = job["code"].rpartition(":")
        _pretend_main(_imported(Path(file)))
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        raise ChildError("pickled_class_missing", path=path, error=_line(error)) from error


def _pretend_main(module: ModuleType) -> None:
    """What was pickled in a script or a notebook is looked for in `__main__`: it gets the names of the user's file."""
    main = sys.modules["__main__"]
    for name, value in vars(module).items():
        if not name.startswith("__"):
            setattr(main, name, value)


def _imported(file: Path) -> ModuleType:
    """The user's Python file, under its own name, with its neighbours importable. Raises ChildError."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script may also leave
        raise ChildError("code_raised", file=file, error=f"{type(error).__name__}: {_line(error)}") from error
    return module


def _made(code: str) -> torch.nn.Module:
    """What the class or function FILE.py:NAME makes without arguments. Raises ChildError."""
    file, _, name = code.rpartition(":")
    module = _imported(Path(file))
    maker = getattr(module, name, None)
    if not callable(maker):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise ChildError("code_name_missing", file=file, name=name, known=", ".join(own) or "-")
    try:
        made = maker()
    except Exception as error:
        raise ChildError("code_not_made", maker=code, error=f"{type(error).__name__}: {_line(error)}") from error
    if not isinstance(made, torch.nn.Module):
        raise ChildError("code_no_module", maker=code, found=type(made).__name__)
    return made


def _fill(module: torch.nn.Module, state: Tensors, job: Job) -> None:
    """Every weight in its place, and no other. Raises ChildError `state_dict_mismatch`."""
    own = module.state_dict()
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    misshapen = [
        f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in sorted(own.keys() & state.keys())
        if state[name].shape != own[name].shape
    ]
    if missing or unexpected or misshapen:
        raise ChildError(
            "state_dict_mismatch",
            maker=Path(job["code"]).name,
            path=job["path"],
            missing=_some(missing),
            unexpected=_some(unexpected),
            misshapen=_some(misshapen),
        )
    module.load_state_dict(dict(state))


def _module(module: torch.nn.Module, notes: tuple[str, ...] = ()) -> Loaded:
    module.eval()
    reduced = {tensor.dtype for tensor in module.parameters()} & {torch.float16, torch.bfloat16}
    if reduced:
        module.float()
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in reduced))
        notes += (f"weights in {names}, computed in float32",)
    taken = [one for one in inspect.signature(module.forward).parameters.values() if one.kind in _POSITIONAL]
    required = sum(one.default is inspect.Parameter.empty for one in taken)
    return Loaded(module, module, tuple(one.name for one in taken), required, notes=notes)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _script(job: Job) -> Loaded:
    """A TorchScript archive: a program in torch's own small language, without Python. Raises ChildError."""
    try:
        script: Any = torch.jit.load(job["path"], map_location="cpu")  # type: ignore[no-untyped-call] # torch has none
    except RuntimeError as error:
        raise ChildError("checkpoint_damaged", path=job["path"], error=_line(error)) from error
    script.eval()
    taken = script.forward.schema.arguments[1:]
    return Loaded(script, script, tuple(one.name for one in taken), sum(not one.has_default_value() for one in taken))


def _program(job: Job) -> Loaded:
    """A .pt2 archive, which unpickles parts of itself: only with trust. Raises ChildError."""
    if not job["trusted"]:
        raise ChildError("program_not_trusted", path=job["path"])
    try:
        program = torch.export.load(job["path"])
    except (RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ChildError("checkpoint_damaged", path=job["path"], error=_line(error)) from error
    names = tuple(str(name) for name in program.graph_signature.user_inputs)
    flat, shape = torch.utils._pytree.tree_flatten(program.example_inputs)  # noqa: SLF001 - torch's own name for it
    if not all(isinstance(each, torch.Tensor) for each in flat):
        raise ChildError("program_inputs_unsupported", path=job["path"], found=", ".join(map(_kind_of, flat)))
    module = program.module()

    def call(*tensors: torch.Tensor) -> Any:
        args, kwargs = torch.utils._pytree.tree_unflatten(list(tensors), shape)  # noqa: SLF001 - see above
        return module(*args, **kwargs)

    return Loaded(program, call, names, len(names), tuple(flat))


def _kind_of(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, Mapping):
        return f"{kind} with the keys {', '.join(map(str, list(value)[:SHOWN]))}"
    return kind


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "") or "none"


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
