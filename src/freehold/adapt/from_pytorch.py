"""A PyTorch file becomes an artifact of kind tensor: PyTorch's exporter runs in a child, never in this process."""

import importlib.util
from pathlib import Path

from freehold import __version__
from freehold.adapt.checked_graph import checked
from freehold.adapt.child_results import golden_of, result_of, specs_of, take_graph
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.detect import Format, detect
from freehold.adapt.isolation import printable, run_child, walls_here
from freehold.artifact import Ancestor, MadeBy, Manifest, save_golden
from freehold.artifact.artifact import sha256_of
from freehold.artifact.manifest import SCHEMA
from freehold.errors import FreeholdError

TOOL = "freehold.adapt.from_pytorch"
FORMATS = {
    Format.PICKLE: "pickle",
    Format.SAFETENSORS: "safetensors",
    Format.SCRIPT: "script",
    Format.PROGRAM: "program",
}
PACKAGES = ("torch", "onnxscript")


def write(asked: Conversion, folder: Path, say: Say) -> Manifest:
    """The door of pickled modules, state dicts with their class, TorchScript and .pt2.

    Raises FreeholdError `convert_extra_missing`, `convert_kind_unsuitable`, `code_form_invalid`, `code_file_missing`,
    `code_needs_trust`, `program_not_trusted`, `script_not_trusted`, and what the child reports: rows of
    `errors/texts/convert.py`.
    """
    need_packages(PACKAGES)
    form = detect(asked.source).format
    if asked.kind not in ("auto", "tensor"):
        raise FreeholdError("convert_kind_unsuitable", path=asked.source, format=form, kind=asked.kind)
    code = _code(asked)
    if form == Format.PROGRAM and not asked.trust_code:
        raise FreeholdError("program_not_trusted", path=asked.source)
    if form == Format.SCRIPT and not asked.trust_code and not walls_here().words:
        raise FreeholdError("script_not_trusted", path=asked.source, reason=walls_here().reason)
    writes = asked.work / "child"
    writes.mkdir()
    job = {
        "path": str(asked.source.absolute()),
        "format": FORMATS[form],
        "code": code,
        "input_shapes": asked.input_shapes,
        "input_names": asked.input_names,
        "input_types": asked.input_types,
        "opset": asked.opset,
        "seed": asked.seed,
        "free": None,
    }
    reads = [asked.source, *([Path(code.rpartition(":")[0]).parent] if code else [])]
    result = run_child(
        "pytorch", job, reads=reads, writes=writes, trusted=asked.trust_code, limits=asked.limits, say=say
    )
    digest = f"sha256:{sha256_of(asked.source)}"
    inputs, outputs = specs_of(result)
    save_golden(folder / "goldens" / "raw.json", golden_of(writes, result, digest))
    checked(take_graph(writes, folder))
    read = result_of(result)
    notes = "; ".join(printable(note) for note in read.notes)
    return Manifest(
        SCHEMA,
        asked.name,
        "tensor",
        "tensor",
        "fp32",
        inputs,
        outputs,
        MadeBy(TOOL, __version__, digest),
        {},
        ancestors=(Ancestor("source", asked.source.name, digest),),
        made_with={**read.made_with, "format": str(form), **({"notes": notes} if notes else {})},
    )


def need_packages(packages: tuple[str, ...]) -> None:
    """The extra `convert`, which a child of this environment needs. Raises FreeholdError `convert_extra_missing`."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise FreeholdError("convert_extra_missing", missing=", ".join(missing))


def _code(asked: Conversion) -> str:
    """ "FILE.py:NAME" with an absolute path, or "". Raises FreeholdError."""
    if not asked.code:
        return ""
    file, colon, name = asked.code.rpartition(":")
    if not colon or not name.isidentifier() or not file.endswith(".py"):
        raise FreeholdError("code_form_invalid", maker=asked.code)
    if not Path(file).is_file():
        raise FreeholdError("code_file_missing", file=file, folder=Path.cwd())
    if not asked.trust_code:
        raise FreeholdError("code_needs_trust", file=file)
    return f"{Path(file).absolute()}:{name}"
