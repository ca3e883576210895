"""A program that stands for trtexec where there is neither it nor a GPU.

It takes trtexec's flags and prints lines of its form. Its "engines" only name the graph, and ONNX Runtime answers for
them on the processor, in six digits, as trtexec prints.
"""

import sys
from pathlib import Path

STAND_IN = """#!{python}
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
onnxruntime.set_default_logger_severity(3)
flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
print("&&&& RUNNING TensorRT.trtexec [TensorRT v{digits}] # trtexec")
Path(__file__).with_name("calls").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
if "saveEngine" in flags:
    Path(flags["saveEngine"]).write_text(flags["onnx"])
    print("[11/23/2026-04:00:00] [I] Engine built in 4.25 sec.")
    print("[11/23/2026-04:00:03] [I] Throughput: 1200.5 qps")
if "loadEngine" in flags:
    session = onnxruntime.InferenceSession(Path(flags["loadEngine"]).read_text())
    shapes = dict(one.rsplit(":", 1) for one in flags.get("shapes", "").split(",") if one)
    files = dict(one.rsplit(":", 1) for one in flags["loadInputs"].split(","))
    types = {{"tensor(float)": "<f4", "tensor(int64)": "<i8"}}
    feeds = {{}}
    for value in session.get_inputs():
        shape = [int(size) for size in shapes[value.name].split("x")] if value.name in shapes else value.shape
        feeds[value.name] = np.fromfile(files[value.name], types[value.type]).reshape(shape)
    entries = []
    for value, array in zip(session.get_outputs(), session.run(None, feeds)):
        array = array * {factor}
        entries.append({{"name": value.name, "dimensions": "x".join(map(str, array.shape)),
                        "values": [float(f"{{number:.6g}}") for number in array.ravel()]}})
    Path(flags["exportOutput"]).write_text(json.dumps(entries))
if "help" not in flags:
    print("&&&& PASSED TensorRT.trtexec [TensorRT v{digits}] # trtexec")
"""


def write_stand_in(folder: Path, digits: str = "101303", factor: float = 1.0) -> Path:
    """Write `folder`/trtexec, of TensorRT `digits`; `factor` other than 1 makes its engines answer wrongly."""
    folder.mkdir()
    path = folder / "trtexec"
    path.write_text(STAND_IN.format(python=sys.executable, digits=digits, factor=factor))
    path.chmod(0o755)
    return path
