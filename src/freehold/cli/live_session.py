"""The doctor's live check: the runtime opens a session on a device, and computes one sum."""

import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from freehold.deploy.doctor.check import Check, Text, Topic
from freehold.engine.providers import SessionOptions, open_session, runtime_version
from freehold.errors import FreeholdError

OPSET, IR = 17, 8
"""Of ONNX 1.12: every runtime that serves reads them."""


def session_check(device: str) -> Check:
    """A Check `session:DEVICE`; a device whose runtime is absent, or that is not granted, fails with the reason."""
    (why, fix), (why_zh, fix_zh) = (FreeholdError("note_doctor_session").in_language(lang) for lang in ("en", "zh"))
    topic = Topic(f"session:{device}", Text(why, why_zh), Text(fix, fix_zh))
    needed = Text(f"a session on {device} that computes", f"可在 {device} 上打开会话并计算")
    if device == "tensorrt":
        compiled = Text("opened with a compiled engine only", "仅能以编译好的引擎打开")
        return topic.judged("skip", compiled, needed)
    try:
        with tempfile.TemporaryDirectory(prefix="freehold-doctor-") as folder:
            graph = Path(folder) / "sum.onnx"
            graph.write_bytes(_graph())
            session = open_session(graph, SessionOptions(device=device), "doctor")
            (found,) = session.run(["y"], {"x": np.ones(4, np.float32)})
    except FreeholdError as error:
        (cause, cure), (cause_zh, cure_zh) = (error.in_language(lang) for lang in ("en", "zh"))
        return topic.judged("fail", Text(cause, cause_zh), needed, Text(cure, cure_zh))
    except OSError as error:
        return topic.unknown(error.strerror or str(error), needed)
    if found.tolist() != [2.0] * 4:
        wrong = Text(f"1 + 1 came out as {found.tolist()}", f"1 + 1 的结果为 {found.tolist()}")
        return topic.judged("fail", wrong, needed)
    return topic.ok(" ".join(runtime_version(device)), needed)


def _graph() -> bytes:
    """y = x + x, of four numbers."""
    spec = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")}
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "sum", [spec["x"]], [spec["y"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return bytes(model.SerializeToString())
